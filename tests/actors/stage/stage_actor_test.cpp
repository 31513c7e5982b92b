// What a stage actor does with each message, under CAF's deterministic scheduler.
#include <algorithm>
#include <catch2/catch.hpp>

#include "models/checkpoint/model_file.h"
#include "models/parameters/drawn_weights.h"
#include "tests/actors/stage/stage_play.h"

namespace stagecraft {

using namespace test;
using Play = StageFixture;

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

TEST_CASE("stage: a stage of its column that it has no channel with is unknown to it") {
  Play play;
  play.connect(2);
  play.join();
  REQUIRE(play.driver_got(Ready{1}));
  play.tell(train(1));
  play.deliver(0);
  CHECK(play.neighbour_got(Credit{kForward, 0}, Play::gradient(0)));
  play.end_neighbour(caf::exit_reason::kill);
  CHECK(play.activity() == Activity::failed);
}

TEST_CASE("stage: a step is credits and gradients, the report, and the update when it is told") {
  Play play;
  play.make_ready();
  play.tell(train(1));
  CHECK(play.nobody_got_anything());
  CHECK(play.coordinate() == "step 1, instruction 1RA0");
  play.deliver(0);
  CHECK(play.neighbour_got(Credit{kForward, 0}, Play::gradient(0)));
  CHECK(play.driver_got());
  play.tell(train(2));  // told early, begun when step 1 has ended
  play.deliver(1);
  CHECK(play.neighbour_got(Credit{kForward, 1}, Play::gradient(1), Play::results_of_step(1)));
  CHECK(play.driver_got());
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

/// The data of the model's file when all weights are as they are drawn.
std::string drawn_data(const ModelSpec& model) {
  std::string data;
  for (const ParameterSpec& parameter : model.parameters()) {
    std::vector<float> values(static_cast<std::size_t>(elements_of(parameter.shape)));
    DrawnWeights(1, 1).read({parameter, StateKind::weight, whole_box(parameter.shape)}, values);
    data.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
  }
  return data;
}

TEST_CASE(
    "stage: its work begins with the drawn weights, and writes them, flushed, before it says so") {
  Play play;
  play.make_ready();
  const auto temporary =
      begin_model_files(*play.files, play.model(), MemoryFileSystem::root() / "model");
  play.calls->clear();
  play.tell(WriteModel{temporary.string()});
  CHECK(play.driver_got(ModelWritten{1}));
  CHECK(play.activity() == Activity::idle);
  CHECK(play.calls->front().kind == FileCallKind::open);
  CHECK(play.calls->back().kind == FileCallKind::sync);
  CHECK((play.files->read(temporary).ends_with(drawn_data(play.model()))));
  CHECK(play.nobody_got_anything());
}

TEST_CASE("stage: a model that cannot be written or flushed is a failure with the path") {
  const auto kind = GENERATE(FileCallKind::write, FileCallKind::sync);
  Play play;
  play.make_ready();
  const auto temporary =
      begin_model_files(*play.files, play.model(), MemoryFileSystem::root() / "model");
  play.break_files({kind, 1, EROFS});
  play.tell(WriteModel{temporary.string()});
  const std::string action = kind == FileCallKind::write ? "write" : "flush to the disk";
  CHECK(play.monitor_got(StageFailed{1,
                                     "stage 1, rank 1, writing its part of the model: [" +
                                         temporary.string() + "] cannot " + action +
                                         ": Read-only file system; write to another disk",
                                     false}));
  CHECK(play.driver_got());
}

TEST_CASE("stage: a third gradient waits for the first one's credit") {
  Play play(3);
  play.make_ready();
  play.tell(train(1));
  play.deliver(0);
  play.deliver(1);
  play.deliver(2);
  CHECK(play.neighbour_got(Credit{kForward, 0}, Play::gradient(0), Credit{kForward, 1},
                           Play::gradient(1), Credit{kForward, 2}));
  CHECK(play.coordinate() == "step 1, instruction 1SG2");
  CHECK(play.driver_got());
  play.tell(Credit{kBackward, 0});
  CHECK(play.neighbour_got(Play::gradient(2), Play::results_of_step(1)));
}

TEST_CASE("stage: an evaluation ends with its losses, and waits for no update") {
  Play play;
  play.make_ready();
  const Pass pass{PassKind::evaluate, 3, 5};
  play.tell(RunPasses{{{PassKind::evaluate, 3, 1, 5}}});
  play.deliver(0, pass);
  CHECK(play.neighbour_got(Credit{kForward, 0}));
  play.deliver(1, pass);
  CHECK(play.neighbour_got(Credit{kForward, 1}, PassDone{pass, {{1, {to_wire(2.5)}, {}}}}));
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
  play.tell(train(1));
  play.deliver(0);
  CHECK(play.monitor_got(
      StageFailed{1, "stage 1, rank 1, step 1, instruction 1B0: the device is gone", false}));
  CHECK(play.activity() == Activity::failed);
  CHECK(play.neighbour_got(Credit{kForward, 0}));
  CHECK(play.driver_got());
  play.deliver(1);
  play.tell(Credit{kBackward, 0});
  play.tell(ApplyUpdate{1, 0, 0});
  play.tell(train(2));
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
  play.tell(train(1));
  play.deliver(0);
  CHECK(play.monitor_got(StageFailed{1,
                                     std::string("stage 1, rank 1, step 1, instruction 1F0: ") +
                                         AbortedError("stage 0 fell").what(),
                                     true}));
  CHECK(play.driver_got());
}

TEST_CASE("stage: a message that does not belong here ends it and is named") {
  Play play;
  play.make_ready();
  play.tell(train(1));
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
        "1RA0: [Executor] stage 1 is at 1RA0 of step 1, but act 0>1 delivered chunk 1, micro-batch "
        "0 "
        "of step 0";
  }
  SECTION("that was sent twice") {
    play.tell(late);
    CHECK(play.neighbour_got(Credit{kForward, 0}, Play::gradient(0)));
    cause =
        "1RA1: [Executor::deliver] stage 1 got tensor 0 of act 0>1 where tensor 1 is due, with 0 "
        "of 2 slots in use";
  }
  play.tell(late);
  CHECK(play.monitor_got(StageFailed{1, "stage 1, rank 1, step 1, instruction " + cause, false}));
  CHECK(play.neighbour_got());
  play.tell(play.envelope(0));
  CHECK(play.nobody_got_anything());
}

TEST_CASE("stage: a credit that nobody is owed ends it by name") {
  Play play;
  play.make_ready();
  play.tell(train(1));
  play.tell(Credit{kBackward, 0});
  CHECK(
      play.monitor_got(StageFailed{1,
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
    play.tell(train(1));
    REQUIRE(play.coordinate() == "step 1, instruction 1RA0");
  }
  SECTION("for the update") {
    play.tell(train(1));
    play.deliver(0);
    play.deliver(1);
    REQUIRE(play.coordinate() == "step 1, instruction U");
  }
  const std::size_t done = play.work->done.size();
  CHECK(play.neighbour_got() == (done == 0));
  play.tell(Finish{failed});
  CHECK(play.driver_got_the_end());
  CHECK((play.activity() == Activity::parting) == !failed);
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
    "stage: a peer or a driver that is gone is named with its location, unless it has ended") {
  Play play;
  play.make_ready();
  play.tell(train(1));
  const std::string text =
      "stage 0, rank 0, making its parameters: its process or the connection to it is gone; "
      "noticed "
      "by stage 1, rank 1, at step 1, instruction 1RA0";
  SECTION("the neighbour's process was killed") {
    play.end_neighbour(caf::exit_reason::kill);
    CHECK(play.monitor_got(StageFailed{0, text, false}));
  }
  SECTION("the driver's was") {
    play.end_driver(caf::exit_reason::remote_link_unreachable);
    CHECK(play.monitor_got(StageFailed{0, text, false}));
  }
  SECTION("it was dismissed, so it is not the root cause") {
    play.board->slot(0).set(Activity::dismissed);
    play.end_neighbour(caf::exit_reason::kill);
    CHECK(play.monitor_got(
        StageFailed{0,
                    "stage 0, rank 0, " + location_text(play.board->slot(0).view()) +
                        ": its process or the connection to it is gone; noticed by stage 1, "
                        "rank 1, at step 1, instruction 1RA0",
                    true}));
  }
  SECTION("it has ended as it should") {
    play.end_neighbour(caf::exit_reason::normal);
    CHECK(play.nobody_got_anything());
    CHECK(play.activity() == Activity::waiting);
  }
}

TEST_CASE("stage: a traced step's spans go to the sink between steps, the last ones at the end") {
  Play play;
  play.trace_steps(1);
  play.make_ready();
  play.tell(train(1));
  play.deliver(0);
  CHECK(play.seen.empty());  // the step runs
  play.deliver(1);
  CHECK(play.seen == std::vector{Activity::tracing});
  CHECK(play.activity() == Activity::waiting);
  const auto count = [&](const std::string& name) {
    const std::vector<Span> spans = play.trace->spans(1);
    return std::count_if(spans.begin(), spans.end(),
                         [&](const Span& span) { return span.name == name && span.step == 1; });
  };
  CHECK(count("F 0") == 1);
  CHECK(count("gradient norm") == 1);
  CHECK(count("step 1") == 0);
  play.tell(ApplyUpdate{1, to_wire(0.5), to_wire(1.0)});
  const bool failed = GENERATE(true, false);
  play.tell(Finish{failed});
  CHECK(count("step 1") == 1);
  CHECK(count("F 0") == 1);
  CHECK(play.trace->ends(1) == 1);
  CHECK(play.gone);
}

TEST_CASE("stage: steps behind the traced ones leave no span") {
  Play play;
  play.trace_steps(1);
  play.make_ready();
  play.tell(train(2));
  play.deliver(0, {PassKind::train, 2, 0});
  play.deliver(1, {PassKind::train, 2, 0});
  play.tell(Finish{false});
  CHECK(play.trace->spans(1).empty());
  CHECK(play.trace->ends(1) == 1);
}

TEST_CASE("stage: the comparison of clocks is a phase that waits for others") {
  // The world of this test has no other ranks: what it refuses shows where the stage was.
  Play play;
  play.trace_steps(1);
  SECTION("at the begin") {
    play.far_apart = true;
    play.connect();
    play.join();
    CHECK(play.monitor_got(StageFailed{
        1, "stage 1, rank 1, connecting to the other ranks: the other ranks are not there",
        false}));
  }
  SECTION("at the end, behind which the trace is written") {
    play.make_ready();
    play.far_apart = true;
    play.tell(Finish{false});
    CHECK(play.monitor_got(StageFailed{
        1, "stage 1, rank 1, waiting for the other ranks to end: the other ranks are not there",
        false}));
    CHECK(play.driver_got_the_end());
    CHECK(play.trace->ends(1) == 1);
  }
  CHECK(play.activity() == Activity::failed);
}

TEST_CASE("stage: without a trace nobody compares clocks") {
  Play play;
  play.far_apart = true;
  play.make_ready();
  play.tell(Finish{false});
  CHECK(play.driver_got_the_end());
  CHECK(play.monitor_got());
}

}  // namespace stagecraft
