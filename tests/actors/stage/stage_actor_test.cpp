// What a stage actor does with each message, under CAF's deterministic scheduler: stage 1 of two,
// whose work only notes, between a stage 0, a driver and a guard that only note.
#include <caf/all.hpp>
#include <catch2/catch.hpp>

#include "actors/failure/watchdog.h"
#include "actors/run/channel_endpoints.h"
#include "actors/stage/stage_actor.h"
#include "tests/actors/deterministic.h"
#include "tests/actors/driver/recording_actors.h"
#include "tests/actors/one_rank_world.h"
#include "tests/stages/execute/pipeline_loop.h"

namespace stagecraft {
namespace {

using namespace test;
using Catch::Matchers::Contains;

const Edge kForward{0, 1, Payload::activation};
const Edge kBackward{1, 0, Payload::gradient};

/// Notes, and first does what a test wants to happen at an instruction.
struct TestedWork : NotingWork {
  void run(const Instruction& i) override {
    if (before) {
      before(i);
    }
    NotingWork::run(i);
  }
  PassResults results() override { return {.losses = {2.5}, .squares = {{4, 9.0}}}; }

  std::function<void(const Instruction&)> before;
  std::unique_ptr<StageWork> real;  // the actor keeps a pointer to it
};

/// Nothing runs but in `tell` and its like.
class Play {
 public:
  explicit Play(int microbatches = 2) : plan_(two_stages(microbatches)) {
    config_.wrap_work = [this](int, std::unique_ptr<StageWork> real) {
      auto made = std::make_unique<TestedWork>();
      made->before = before;
      made->real = std::move(real);
      work = made.get();
      return made;
    };
    board->slot(0).enter(1, "here");
    auto setup = std::make_shared<StageSetup>();
    setup->rank = 1;
    setup->plan = &plan_;
    setup->config = &config_;
    setup->stream = make_stream({}, {.threads = 1});
    setup->world = std::make_unique<OneRankWorld>(1, 2);
    setup->for_tensors = [](std::unique_ptr<Communicator> group) { return group; };
    for (const Edge& edge : {kForward, kBackward}) {
      channels_[edge] = make_local_channel(sender_->memory().account());
    }
    setup->channels = channels_;
    setup->board = board;
    setup->same_clock = [](int) { return true; };
    setup->ended = [this] { ++ends; };
    monitor_ = system_.spawn(recording_monitor, guard_notes_);
    driver_ = system_.spawn(recording_driver, driver_notes_);
    neighbour_ = system_.spawn(recording_stage, neighbour_notes_);
    stage_ = system_.spawn(stage_actor, setup, monitor_);
    stage_->attach_functor([this] { gone = true; });
    run();
  }
  ~Play() {
    for (const caf::actor& actor :
         {caf::actor_cast<caf::actor>(stage_), caf::actor_cast<caf::actor>(neighbour_),
          caf::actor_cast<caf::actor>(driver_), caf::actor_cast<caf::actor>(monitor_)}) {
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    }
    run();
  }
  Play(const Play&) = delete;
  Play& operator=(const Play&) = delete;

  template <class... Message>
  void tell(const Message&... message) {
    caf::anon_send(stage_, message...);
    run();
  }
  void connect() {
    tell(ConnectAtom::value,
         std::vector<caf::strong_actor_ptr>{caf::actor_cast<caf::strong_actor_ptr>(neighbour_),
                                            caf::actor_cast<caf::strong_actor_ptr>(stage_)});
  }
  void join() { tell(JoinAtom::value, caf::actor_cast<caf::strong_actor_ptr>(driver_)); }
  void make_ready() {
    connect();
    join();
    REQUIRE(driver_got(Ready{1}));
  }
  void end_neighbour(caf::exit_reason reason) {
    caf::anon_send_exit(neighbour_, reason);
    run();
  }
  void end_driver(caf::exit_reason reason) {
    caf::anon_send_exit(driver_, reason);
    run();
  }

  Envelope envelope(int microbatch, const Pass& pass = {PassKind::train, 1, 0}) const {
    return {.edge = kForward,
            .sequence = static_cast<std::uint64_t>(microbatch),
            .pass = pass,
            .chunk = 1,
            .microbatch = microbatch,
            .shape = {1}};
  }
  /// Stage 0 sends its activation.
  void deliver(int microbatch, const Pass& pass = {PassKind::train, 1, 0}) {
    put(microbatch);
    tell(envelope(microbatch, pass));
  }
  void put(int microbatch) {
    if (microbatch >= kReceiveSlots) {
      const int freed = microbatch - kReceiveSlots;
      channels_.at(kForward)->credit(*sender_, static_cast<std::uint64_t>(freed));
    }
    Tensor x(sender_->memory(), {1}, DType::float32, MemoryLabel::workspace);
    *x.data<float>() = static_cast<float>(microbatch);
    channels_.at(kForward)->send(*sender_, static_cast<std::uint64_t>(microbatch), x);
  }
  /// What stage 1 says of the gradient that it sends back.
  static Envelope gradient(int microbatch) {
    return {.edge = kBackward,
            .sequence = static_cast<std::uint64_t>(microbatch),
            .pass = {PassKind::train, 1, 0},
            .chunk = 0,
            .microbatch = microbatch,
            .shape = {1}};
  }

  // Since the last call, one got these, in this order, and nothing else.
  template <class... Messages>
  bool neighbour_got(const Messages&... messages) {
    return got(neighbour_notes_, messages...);
  }
  template <class... Messages>
  bool driver_got(const Messages&... messages) {
    return got(driver_notes_, messages...);
  }
  template <class... Messages>
  bool guard_got(const Messages&... messages) {
    return got(guard_notes_, messages...);
  }
  bool nobody_got_anything() {
    const bool quiet = neighbour_got() && driver_got();
    return guard_got() && quiet;
  }
  /// A last message, whose times no test knows.
  bool driver_got_the_end() {
    const std::vector<std::string> images = driver_notes_->images.take();
    return images.size() == 1 && images.front().starts_with(typeid(StageEnded).name());
  }

  std::string coordinate() const { return place_text(board->slot(1).view()); }
  Activity activity() const { return board->slot(1).view().activity; }

  std::shared_ptr<ProgressBoard> board =
      std::make_shared<ProgressBoard>(board_info(two_stages(), 1));
  std::function<void(const Instruction&)> before;
  TestedWork* work = nullptr;
  int ends = 0;
  bool gone = false;

 private:
  void run() { scheduler_of(system_).run(); }

  template <class... Messages>
  bool got(const ReceivedPtr& notes, const Messages&... messages) {
    return notes->images.take() == std::vector<std::string>{image(system_, messages)...};
  }

  TrainingPlan plan_;
  RunConfig config_;
  std::unique_ptr<Stream> sender_ = make_stream({}, {.threads = 1});
  Channels channels_;
  TestingConfig system_config_;
  caf::actor_system system_{system_config_};
  ReceivedPtr guard_notes_ = std::make_shared<Received>();
  ReceivedPtr driver_notes_ = std::make_shared<Received>();
  ReceivedPtr neighbour_notes_ = std::make_shared<Received>();
  FailureMonitor monitor_;
  DriverActor driver_;
  StageActor neighbour_;
  StageActor stage_;
};

}  // namespace

TEST_CASE("stage: ready when it knows its column and the driver, whichever comes first") {
  const bool column_first = GENERATE(true, false);
  Play play;
  column_first ? play.connect() : play.join();
  CHECK(play.nobody_got_anything());
  column_first ? play.join() : play.connect();
  CHECK(play.driver_got(Ready{1}));
  CHECK(play.activity() == Activity::idle);
  CHECK(play.nobody_got_anything());
}

TEST_CASE("stage: a step is credits and gradients, the report, and the update when it is told") {
  Play play;
  play.make_ready();
  play.tell(TrainStep{1});
  CHECK(play.nobody_got_anything());
  CHECK(play.coordinate() == "step 1, instruction 1RA0");
  play.deliver(0);
  CHECK(play.neighbour_got(Credit{kForward, 0}, Play::gradient(0)));
  CHECK(play.driver_got());
  play.tell(TrainStep{2});  // told early, begun when step 1 has ended
  play.deliver(1);
  CHECK(play.neighbour_got(Credit{kForward, 1}, Play::gradient(1)));
  CHECK(play.driver_got(StepDone{1, 1, {to_wire(2.5)}, {{4, to_wire(9.0)}}}));
  CHECK(play.activity() == Activity::waiting);
  CHECK(play.work->passes.size() == 1);
  CHECK_FALSE(play.work->done.back() == Instruction{.op = Op::optimizer});
  play.tell(ApplyUpdate{1, to_wire(0.5), to_wire(1.0)});
  REQUIRE(play.work->passes.size() == 2);
  CHECK(play.work->passes.back() == Pass{PassKind::train, 2, 0});
  CHECK(play.work->done.back() == Instruction{.op = Op::optimizer});
  CHECK(play.work->wrong == 0);
  CHECK(play.nobody_got_anything());
}

TEST_CASE("stage: a third gradient waits for the first one's credit") {
  Play play(3);
  play.make_ready();
  play.tell(TrainStep{1});
  play.deliver(0);
  play.deliver(1);
  play.deliver(2);
  CHECK(play.neighbour_got(Credit{kForward, 0}, Play::gradient(0), Credit{kForward, 1},
                           Play::gradient(1), Credit{kForward, 2}));
  CHECK(play.coordinate() == "step 1, instruction 1SG2");
  CHECK(play.driver_got());
  play.tell(Credit{kBackward, 0});
  CHECK(play.neighbour_got(Play::gradient(2)));
  CHECK(play.driver_got(StepDone{1, 1, {to_wire(2.5)}, {{4, to_wire(9.0)}}}));
}

TEST_CASE("stage: an evaluation ends with its losses, and waits for no update") {
  Play play;
  play.make_ready();
  const Pass pass{PassKind::evaluate, 3, 1};
  play.tell(Evaluate{3, 1});
  play.deliver(0, pass);
  CHECK(play.driver_got());
  play.deliver(1, pass);
  CHECK(play.neighbour_got(Credit{kForward, 0}, Credit{kForward, 1}));
  CHECK(play.driver_got(EvaluationDone{1, 1, {to_wire(2.5)}}));
  CHECK(play.activity() == Activity::idle);
}

TEST_CASE(
    "stage: what its work throws goes to the guard once, with the place, and it acts no more") {
  Play play;
  play.before = [](const Instruction& i) {
    if (to_string(i) == "1B0") {
      throw std::runtime_error("the device is gone");
    }
  };
  play.make_ready();
  play.tell(TrainStep{1});
  play.deliver(0);
  CHECK(play.guard_got(
      StageFailed{1, "stage 1, rank 1, step 1, instruction 1B0: the device is gone", false}));
  CHECK(play.activity() == Activity::failed);
  CHECK(play.neighbour_got(Credit{kForward, 0}));
  CHECK(play.driver_got());
  play.deliver(1);
  play.tell(Credit{kBackward, 0});
  play.tell(ApplyUpdate{1, 0, 0});
  play.tell(TrainStep{2});
  play.tell(WriteModel{"/nowhere"});
  play.end_neighbour(caf::exit_reason::kill);
  CHECK(play.nobody_got_anything());
  CHECK(play.work->passes.size() == 1);
  CHECK_FALSE(play.gone);
  play.tell(Finish{true});
  CHECK(play.driver_got_the_end());
  CHECK(play.activity() == Activity::failed);
  CHECK(play.gone);
  CHECK(play.ends == 1);
}

TEST_CASE("stage: one that an abort wakes says so, and is no cause") {
  Play play;
  play.before = [](const Instruction& i) {
    if (i.op == Op::forward) {
      throw AbortedError("stage 0 fell");
    }
  };
  play.make_ready();
  play.tell(TrainStep{1});
  play.deliver(0);
  CHECK(play.guard_got(StageFailed{1,
                                   std::string("stage 1, rank 1, step 1, instruction 1F0: ") +
                                       AbortedError("stage 0 fell").what(),
                                   true}));
  CHECK(play.driver_got());
}

TEST_CASE("stage: a message that does not belong here ends it by name") {
  Play play;
  play.make_ready();
  play.tell(TrainStep{1});
  play.put(0);
  Envelope late = play.envelope(0);
  std::string cause;
  SECTION("of an earlier generation of the run") {
    late.generation = 3;
    cause = "1RA0: [Executor::deliver] stage 1 has no channel act 0>1 of generation 3";
  }
  SECTION("of an earlier step") {
    late.pass.step = 0;
    cause =
        "1RA0: [Executor] stage 1 is at 1RA0 of step 1, and act 0>1 brought chunk 1, micro-batch 0 "
        "of step 0";
  }
  SECTION("that was sent twice") {
    play.tell(late);
    CHECK(play.neighbour_got(Credit{kForward, 0}, Play::gradient(0)));
    cause =
        "1RA1: [Executor::deliver] stage 1 got tensor 0 of act 0>1 where tensor 1 is due, with 0 "
        "of 2 slots taken";
  }
  play.tell(late);
  CHECK(play.guard_got(StageFailed{1, "stage 1, rank 1, step 1, instruction " + cause, false}));
  CHECK(play.neighbour_got());
  play.tell(play.envelope(0));
  CHECK(play.nobody_got_anything());
}

TEST_CASE("stage: a credit that nobody is owed ends it by name") {
  Play play;
  play.make_ready();
  play.tell(TrainStep{1});
  play.tell(Credit{kBackward, 0});
  CHECK(play.guard_got(StageFailed{1,
                                   "stage 1, rank 1, step 1, instruction 1RA0: [Executor::credit] "
                                   "stage 1 got a credit for tensor 0 of grad 1>0, where 0 is due "
                                   "and 0 were sent",
                                   false}));
}

TEST_CASE("stage: one that is ended while it waits ends at once, and what comes later is dropped") {
  const bool failed = GENERATE(true, false);
  Play play;
  play.make_ready();
  SECTION("before the first step") {}
  SECTION("for an envelope") {
    play.tell(TrainStep{1});
    REQUIRE(play.coordinate() == "step 1, instruction 1RA0");
  }
  SECTION("for the update") {
    play.tell(TrainStep{1});
    play.deliver(0);
    play.deliver(1);
    REQUIRE(play.driver_got(StepDone{1, 1, {to_wire(2.5)}, {{4, to_wire(9.0)}}}));
  }
  const std::size_t done = play.work->done.size();
  CHECK(play.neighbour_got() == (done == 0));
  play.tell(Finish{failed});
  CHECK(play.driver_got_the_end());
  CHECK((play.activity() == Activity::leaving) == !failed);
  CHECK(play.gone);
  CHECK(play.ends == 1);
  play.tell(play.envelope(0));
  play.tell(ApplyUpdate{1, 0, 0});
  CHECK(play.nobody_got_anything());
}

TEST_CASE("stage: one that never began can be ended") {
  Play play;
  play.connect();
  play.tell(Finish{true});
  CHECK(play.nobody_got_anything());  // it knows no driver
  CHECK(play.gone);
  CHECK(play.ends == 1);
}

TEST_CASE(
    "stage: a neighbour or a driver that is gone is told with its place, unless it has ended") {
  Play play;
  play.make_ready();
  play.tell(TrainStep{1});
  const std::string text =
      "stage 0, rank 0, making its parameters: its process, or the connection to it, is gone; "
      "stage 1, rank 1 noticed, at step 1, instruction 1RA0";
  SECTION("the neighbour's process was killed") {
    play.end_neighbour(caf::exit_reason::kill);
    CHECK(play.guard_got(StageFailed{0, text, false}));
  }
  SECTION("the driver's was") {
    play.end_driver(caf::exit_reason::remote_link_unreachable);
    CHECK(play.guard_got(StageFailed{0, text, false}));
  }
  SECTION("it was sent home, so the cause lies elsewhere") {
    play.board->slot(0).set(Activity::dismissed);
    play.end_neighbour(caf::exit_reason::kill);
    CHECK(play.guard_got(
        StageFailed{0,
                    "stage 0, rank 0, " + place_text(play.board->slot(0).view()) +
                        ": its process, or the connection to it, is gone; stage 1, rank 1 "
                        "noticed, at step 1, instruction 1RA0",
                    true}));
  }
  SECTION("it has ended as it should") {
    play.end_neighbour(caf::exit_reason::normal);
    CHECK(play.nobody_got_anything());
    CHECK(play.activity() == Activity::waiting);
  }
}

}  // namespace stagecraft
