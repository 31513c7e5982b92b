// Stage 1 of two as a real stage actor under CAF's deterministic scheduler: its work only notes,
// and so do stage 0, the driver and the guard around it.
#pragma once

#include <algorithm>
#include <caf/all.hpp>
#include <catch2/catch.hpp>
#include <functional>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "actors/failure/watchdog.h"
#include "actors/stage/stage_actor.h"
#include "tests/actors/deterministic.h"
#include "tests/actors/driver/recording_actors.h"
#include "tests/actors/memory_trace.h"
#include "tests/actors/one_rank_world.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/stages/execute/pipeline_loop.h"

namespace stagecraft::test {

inline const Edge kForward{0, 1, Payload::activation};
inline const Edge kBackward{1, 0, Payload::gradient};

/// Notes, and first does what a test wants to happen at an instruction.
struct TestedWork : NotingWork {
  void run(const Instruction& i) override {
    if (before) {
      before(i);
    }
    NotingWork::run(i);
  }
  PassResults results() override {
    const bool trains = passes.back().kind == PassKind::train;
    return {.losses = {2.5},
            .squares =
                trains ? std::vector<ParameterSquare>{{4, 9.0}} : std::vector<ParameterSquare>{}};
  }

  std::function<void(const Instruction&)> before;
};

/// Notes, and ends with any reason that it is told; by default an actor ignores the normal one.
inline StageActor::behavior_type ending_stage(StageActor::pointer self,
                                              const ReceivedPtr& received) {
  self->set_exit_handler([self](const caf::exit_msg& m) { self->quit(m.reason); });
  return recording_stage(self, received);
}

/// Notes the rank's activity whenever spans come.
class WatchedSink : public MemorySink {
 public:
  WatchedSink(std::shared_ptr<MemoryTrace> trace, int rank, const ProgressSlot& slot,
              std::vector<Activity>& seen)
      : MemorySink(std::move(trace), rank), slot_(slot), seen_(seen) {}
  bool add(const std::vector<Span>& spans) noexcept override {
    seen_.push_back(slot_.view().activity);
    return MemorySink::add(spans);
  }

 private:
  const ProgressSlot& slot_;
  std::vector<Activity>& seen_;
};

/// Nothing runs but in `tell` and its like.
class StageFixture {
 public:
  explicit StageFixture(int microbatches = 2) : plan_(two_stages(microbatches)) {
    config_.wrap_work = [this](int, const std::unique_ptr<StageWork>&) {
      auto made = std::make_unique<TestedWork>();
      made->before = before;
      made->state = HeldState(plan_.model.parameters());
      work = made.get();
      return made;
    };
    config_.files = files;
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
    setup->clock_of = [this](int rank) {
      return far_apart ? std::to_string(rank) : "of this process";
    };
    setup->ended = [this] { ++ends; };
    monitor_ = system_.spawn(recording_monitor, guard_notes_);
    driver_ = system_.spawn(recording_driver, driver_notes_);
    neighbour_ = system_.spawn(ending_stage, neighbour_notes_);
    neighbour_->attach_functor([this] { neighbour_gone = true; });
    stage_ = system_.spawn(stage_actor, setup, monitor_);
    stage_->attach_functor([this] { gone = true; });
    run();
  }
  ~StageFixture() {
    for (const caf::actor& actor :
         {caf::actor_cast<caf::actor>(stage_), caf::actor_cast<caf::actor>(neighbour_),
          caf::actor_cast<caf::actor>(driver_), caf::actor_cast<caf::actor>(monitor_)}) {
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    }
    run();
  }
  StageFixture(const StageFixture&) = delete;
  StageFixture& operator=(const StageFixture&) = delete;

  template <class... Message>
  void tell(const Message&... message) {
    caf::anon_send(stage_, message...);
    run();
  }
  /// `strangers`: further stages of the column, without a channel to this one.
  void connect(int strangers = 0) {
    std::vector<caf::strong_actor_ptr> column{caf::actor_cast<caf::strong_actor_ptr>(neighbour_),
                                              caf::actor_cast<caf::strong_actor_ptr>(stage_)};
    for (; strangers > 0; --strangers) {
      column.emplace_back(nullptr);
    }
    tell(ConnectAtom::value, column, caf::actor_cast<caf::strong_actor_ptr>(neighbour_));
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
    REQUIRE(neighbour_gone);
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
  /// What stage 1 reports of a training step, to its parent: stage 0.
  static PassDone results_of_step(std::int64_t step) {
    return {{PassKind::train, step, 0}, {{1, {to_wire(2.5)}, {{4, to_wire(9.0)}}}}};
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
  /// The same, for messages of which another thread causes some.
  template <class... Messages>
  bool driver_gets(const Messages&... messages) {
    const std::vector<std::string> awaited{image(system_, messages)...};
    std::vector<std::string> images;
    while (images.size() < awaited.size()) {
      run();
      std::ranges::copy(driver_notes_->images.take(), std::back_inserter(images));
      std::this_thread::yield();
    }
    return images == awaited;
  }
  template <class... Messages>
  bool monitor_got(const Messages&... messages) {
    return got(guard_notes_, messages...);
  }
  bool nobody_got_anything() {
    const bool quiet = neighbour_got() && driver_got();
    return monitor_got() && quiet;
  }
  /// A last message, whose times no test knows.
  bool driver_got_the_end() {
    const std::vector<std::string> images = driver_notes_->images.take();
    return images.size() == 1 && images.front().starts_with(typeid(StageEnded).name());
  }

  const ModelSpec& model() const { return plan_.model; }
  /// Before make_ready: the first `steps` steps are traced. The sink sees the activity in which it
  /// is called.
  void trace_steps(std::int64_t steps) {
    config_.trace_steps = steps;
    config_.trace_sink = [this](int rank) {
      return std::make_unique<WatchedSink>(trace, rank, board->slot(rank), seen);
    };
  }
  /// From now on, a call for the model's file fails.
  void break_files(const FileFault& fault) { config_.files = failing_file_system(files, fault); }

  std::string coordinate() const { return location_text(board->slot(1).view()); }
  Activity activity() const { return board->slot(1).view().activity; }

  std::shared_ptr<ProgressBoard> board =
      std::make_shared<ProgressBoard>(board_info(two_stages(), 1));
  std::function<void(const Instruction&)> before;
  /// Where the model is written; `calls` lists what was done there.
  const FileCalls calls = std::make_shared<std::vector<FileCall>>();
  const std::shared_ptr<FileSystem> files =
      recording_file_system(std::make_shared<MemoryFileSystem>(), calls);
  const std::shared_ptr<MemoryTrace> trace = std::make_shared<MemoryTrace>();
  std::vector<Activity> seen;  // by the sink
  bool far_apart = false;      // every rank has a clock of its own
  TestedWork* work = nullptr;
  int ends = 0;
  bool gone = false;
  bool neighbour_gone = false;

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

}  // namespace stagecraft::test
