// A run has one driver, in rank 0's process. It starts steps and evaluations, decides every update
// and starts the writing of the model.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "actors/driver/step_reduction.h"
#include "actors/driver/trace_collector.h"
#include "actors/protocol/messages.h"
#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "stages/board/progress_board.h"

namespace stagecraft {

/// What the driver is constructed from. The objects behind the pointers outlive the actor.
struct DriverSetup {
  std::shared_ptr<ProgressBoard> board;
  const TrainingPlan* plan = nullptr;
  const RunConfig* config = nullptr;
  RunObserver* observer = nullptr;
  std::int64_t evaluation_samples = 0;  // 0: no evaluation
  /// Called once, at the end, with the result of the run.
  std::function<void(RunResult)> done;
};

class DriverState {
 public:
  static inline const char* name = "driver";

  void start(DriverActor::stateful_pointer<DriverState> self, std::shared_ptr<DriverSetup> setup);
  void connect(const std::vector<caf::strong_actor_ptr>& stages);
  void join(const caf::strong_actor_ptr& monitor);
  void lost(const caf::down_msg& down);
  void ready();
  void step_done(const StepDone& message);
  void evaluation_done(const EvaluationDone& message);
  void model_written();
  void trace(const Spans& message) { trace_.add(message); }
  void trace(const ClockReadings& message) { trace_.add(message); }
  void stage_ended(const StageEnded& message);
  void run_failed(const RunFailed& message, int culprit = -1);
  void end();

 private:
  template <typename Message>
  void tell_all(const Message& message);
  void guarded(const std::function<void()>& action);
  void prime();
  void step_primed();
  void begin_training();
  void begin_step();
  void decide_update();
  void evaluate_when_due();
  void begin_evaluation();
  void end_evaluation();
  void end_step();
  void write_model();
  void finish();
  void lost_rank(int rank);
  void ended(int rank);

  DriverActor::stateful_pointer<DriverState> self_ = nullptr;
  std::shared_ptr<DriverSetup> setup_;
  std::vector<StageActor> stages_;            // by rank
  std::set<caf::strong_actor_ptr> monitors_;  // one per process
  TraceCollector trace_;
  RunResult result_;
  StepReport report_;
  bool last_step_ = false;
  int answers_ = 0;  // received so far of the awaited kind: Ready or ModelWritten
  std::map<int, StepDone> step_done_;
  EvaluationLosses evaluation_;
  std::set<int> ended_;
  std::filesystem::path temporary_;
  std::int64_t step_begin_ns_ = 0;
  bool finishing_ = false;
};

/// Spawn detached: observers and file writes may block its thread.
DriverActor::behavior_type driver_actor(DriverActor::stateful_pointer<DriverState> self,
                                        const std::shared_ptr<DriverSetup>& setup);

}  // namespace stagecraft
