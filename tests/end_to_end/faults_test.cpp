// Whatever fails in one actor, the run ends and names the cause. Faults are injected through the
// StageWork seam.
#include <catch2/catch.hpp>

#include <future>

#include "actors/protocol/run_report.h"
#include "stages/channels/pass.h"
#include "tests/conformance/watchdog.h"
#include "tests/end_to_end/faulty_work.h"
#include "tests/end_to_end/small_run.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using test::FaultyWork;
using test::kAtBegin;
using test::kAtNorm;
using test::KeepingObserver;
using test::SmallRun;

/// Ends the test where a run does not end, and says so. It is no measurement: on cores that others
/// use too, a run takes any time.
RunResult run_with_fault(SmallRun run, int faulty_rank, const Instruction& at,
                         const std::function<void()>& fault) {
  run.run.wrap_work = [=](int rank, std::unique_ptr<StageWork> real) -> std::unique_ptr<StageWork> {
    if (rank != faulty_rank) {
      return real;
    }
    return std::make_unique<FaultyWork>(
        std::move(real), [=](const Pass& pass, const Instruction& i) {
          if (pass.kind == PassKind::train && pass.step == 2 && i == at) {
            fault();
          }
        });
  };
  KeepingObserver observer;
  const test::Watchdog watchdog("a run with a fault", std::chrono::seconds(120));
  return run_training(run.plan(), run.run, run.data(), {observer});
}

SmallRun mesh(int pipeline, int tensor, int data) {
  SmallRun run;
  run.parallel = {.pipeline = pipeline, .tensor = tensor, .data = data};
  return run;
}

TEST_CASE("an operation that throws ends the run with stage, rank and instruction") {
  struct Case {
    SmallRun run;
    int rank;
    Instruction at;
    std::string name;
  };
  const std::vector<Case> cases = {
      {mesh(1, 1, 1), 0, {Op::forward, 0, 3}, "stage 0, rank 0, step 2, instruction 0F3"},
      {mesh(2, 1, 1), 1, {Op::backward, 1, 1}, "stage 1, rank 1, step 2, instruction 1B1"},
      {mesh(2, 1, 1), 0, {Op::send_activation, 0, 2}, "instruction 0SA2"},
      {mesh(4, 1, 1), 2, {Op::receive_gradient, 2, 0}, "stage 2, rank 2, step 2, instruction 2RG0"},
      {mesh(1, 2, 1), 1, {Op::backward, 0, 5}, "stage 0, rank 1, step 2, instruction 0B5"},
      {mesh(1, 1, 2), 1, {Op::reduce_data, 0, 0}, "stage 0, rank 1, step 2, instruction 0D"},
      {mesh(2, 2, 2), 6, {Op::reduce_tied, 1, 0}, "stage 1, rank 6, step 2, instruction 1T"},
      {mesh(2, 1, 1), 1, {.op = Op::optimizer}, "stage 1, rank 1, step 2, instruction U"}};
  for (Case c : cases) {
    c.run.run.options.watchdog_seconds =
        3600;  // the run ends by what was thrown, not by the watchdog
    INFO(c.name);
    const RunResult result =
        run_with_fault(c.run, c.rank, c.at, [] { throw Error("gelu", "the device is on fire"); });
    CHECK_THAT(result.failure, Contains(c.name) && Contains("on fire"));
    CHECK_FALSE(result.actor_lost);
  }
}

TEST_CASE("an exception that is not a std::exception is reported too") {
  const RunResult result = run_with_fault(mesh(2, 1, 1), 0, {Op::forward, 0, 1}, [] { throw 42; });
  CHECK_THAT(result.failure, Contains("instruction 0F1"));
}

TEST_CASE("an actor that never returns is named by the watchdog") {
  struct Case {
    SmallRun run;
    Instruction at;
    std::string position;
  };
  const std::vector<Case> cases = {
      {mesh(2, 1, 1), {Op::forward, 1, 4}, "rank 1, step 2, instruction 1F4"},
      {mesh(1, 2, 1), {Op::forward, 0, 4}, "rank 1, step 2, instruction 0F4"},
      {mesh(2, 1, 1), kAtBegin, "rank 1, beginning step 2"},
      {mesh(2, 1, 1), kAtNorm, "rank 1, step 2, adding up losses and gradient norm"}};
  for (Case c : cases) {
    c.run.run.options.watchdog_seconds = 1;
    INFO(c.position);
    // Waits for ever: the thread stays behind, as it would in a device that hangs.
    const RunResult result =
        run_with_fault(c.run, 1, c.at, [] { std::promise<void>().get_future().wait(); });
    CHECK_THAT(result.failure, Contains(c.position) && Contains("has not returned"));
    CHECK(result.actor_lost);
  }
}

TEST_CASE("an exception in the last update is a failure, even when no model is written") {
  SmallRun run = mesh(2, 1, 1);
  run.run.optimizer.steps = 2;
  run.run.optimizer.warmup_steps = 0;
  const RunResult result = run_with_fault(run, 0, {.op = Op::optimizer}, [] { throw 42; });
  CHECK_THAT(result.failure, Contains("rank 0, step 2, instruction U"));
}

TEST_CASE("the failing instruction of a transfer group is the one that is named") {
  const RunResult result =
      run_with_fault(mesh(2, 1, 1), 1, {Op::receive_activation, 1, 1}, [] { throw 42; });
  CHECK_THAT(result.failure, Contains("instruction 1RA1"));
}

TEST_CASE("a loss that is not finite ends the run and names the step") {
  SmallRun run = mesh(2, 1, 1);
  run.run.optimizer.learning_rate = 1e30;
  run.run.optimizer.warmup_steps = 0;
  run.run.optimizer.clip = 0;
  KeepingObserver observer;
  const RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
  CHECK_THAT(result.failure,
             Contains("step ") && (Contains("the loss is") || Contains("gradient of")));
}

TEST_CASE("a failed run leaves no model behind") {
  const TemporaryFolder folder;
  SmallRun run = mesh(2, 1, 1);
  run.run.model_folder = folder.path() / "model";
  const RunResult result =
      run_with_fault(run, 0, {Op::forward, 0, 0}, [] { throw Error("x", "y"); });
  CHECK_FALSE(result.failure.empty());
  CHECK_FALSE(std::filesystem::exists(run.run.model_folder / "model.safetensors"));
}

TEST_CASE("an observer that throws ends the run with a named cause") {
  struct Throwing : RunObserver {
    void on_step(const StepReport&) override { throw Error("metrics.jsonl", "No space left"); }
  } observer;
  SmallRun run = mesh(2, 1, 1);
  const RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
  CHECK_THAT(result.failure, Contains("driver, step 1") && Contains("No space left"));
}

TEST_CASE("an observer that never returns ends the process with a named cause") {
  std::promise<std::string> ended;
  std::promise<void> released;
  struct Hanging : RunObserver {
    void on_step(const StepReport&) override { release->get_future().wait(); }
    std::promise<void>* release = nullptr;
  } observer;
  observer.release = &released;
  SmallRun run = mesh(2, 1, 1);
  run.run.options.watchdog_seconds = 1;
  run.run.end_process = [&, done = false](const std::string& cause) mutable {
    if (!std::exchange(done, true)) {  // a real one does not return
      ended.set_value(cause);
      released.set_value();
    }
  };
  run.run.optimizer.steps = 1;
  const test::Watchdog watchdog("a run with a hanging observer", std::chrono::seconds(120));
  const RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
  CHECK_THAT(ended.get_future().get(),
             Contains("driver, step 1, in an observer of the run (metrics, terminal): has not"));
  CHECK_THAT(result.failure, Contains("driver, step 1, in an observer"));
}

TEST_CASE("a run that is asked to stop finishes its step and writes the model") {
  const TemporaryFolder folder;
  SmallRun run = mesh(2, 1, 1);
  run.run.model_folder = folder.path() / "model";
  KeepingObserver observer;
  int asked = 0;
  run.run.stop_requested = [&] { return ++asked == 5; };
  const RunResult result = run_training(run.plan(), run.run, run.data(), {observer});
  CHECK(result.failure.empty());
  CHECK(result.stopped_early);
  CHECK(result.steps == 5);
  CHECK(observer.steps.size() == 5);
  CHECK(std::filesystem::exists(run.run.model_folder / "model.safetensors"));
}

}  // namespace
}  // namespace stagecraft
