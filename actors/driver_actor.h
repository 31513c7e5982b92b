// One driver, in rank 0's process: it orders steps and evaluations, decides every update, and has
// the model written.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "actors/messages.h"
#include "actors/run_training.h"
#include "stages/progress_board.h"

namespace stagecraft {

/// What the driver is made of. What is pointed to outlives the actor.
struct DriverSetup {
  std::shared_ptr<ProgressBoard> board;
  const TrainingPlan* plan = nullptr;
  const RunConfig* config = nullptr;
  RunObserver* observer = nullptr;
  std::int64_t evaluation_samples = 0;  // 0: no evaluation
  /// Called once, at the end: with what came of the run.
  std::function<void(RunResult)> done;
};

/// Sums of one step over the whole mesh, in orders that no schedule changes.
struct StepSums {
  double loss = 0;          // nats per token
  double squared_norm = 0;  // of the gradient
  std::string not_finite;   // what is not finite, or ""
};

/// `done` holds one message per rank. Losses are added in micro-batch order, then over data ranks
/// along the reduction tree; squares per parameter over tensor ranks, then in parameter order.
StepSums add_up(const TrainingPlan& plan, const std::map<int, StepDone>& done);

class DriverState {
 public:
  static inline const char* name = "driver";

  void start(DriverActor::stateful_pointer<DriverState> self, std::shared_ptr<DriverSetup> setup);
  void connect(const std::vector<caf::strong_actor_ptr>& stages);
  void join(const caf::strong_actor_ptr& guard);
  void lost(const caf::down_msg& down);
  void ready();
  void step_done(const StepDone& message);
  void evaluation_done(const EvaluationDone& message);
  void model_written();
  void spans(const Spans& message);
  void clock_readings(const ClockReadings& message);
  void stage_ended(const StageEnded& message);
  void run_failed(const RunFailed& message, int culprit = -1);
  void give_up();

 private:
  template <typename Message>
  void tell_all(const Message& message);
  void guarded(const std::function<void()>& action);
  void rehearse();
  void step_rehearsed();
  void begin_training();
  void begin_step();
  void begin_evaluation();
  void step_ended();
  void write_model();
  void finish();
  void lost(int rank);
  void ended(int rank);
  void put_spans_on_one_clock();

  DriverActor::stateful_pointer<DriverState> self_ = nullptr;
  std::shared_ptr<DriverSetup> setup_;
  std::vector<StageActor> stages_;                             // by rank
  std::set<caf::strong_actor_ptr> guards_;                     // one a process
  std::vector<std::vector<Span>> spans_;                       // by rank
  std::vector<ClockReading> clocks_at_begin_, clocks_at_end_;  // by rank
  RunResult result_;
  StepReport report_;
  bool last_step_ = false;
  int answers_ = 0;  // to the question that is open: Ready, EvaluationDone, ModelWritten
  std::map<int, StepDone> step_done_;
  std::map<std::pair<std::int64_t, int>, std::vector<double>> evaluation_;  // by (batch, rank)
  std::int64_t evaluation_answers_due_ = 0;
  std::set<int> ended_;
  std::filesystem::path temporary_;
  std::int64_t step_begin_ns_ = 0;
  bool finishing_ = false;
};

/// Spawn detached: observers and files may block its thread.
DriverActor::behavior_type driver_actor(DriverActor::stateful_pointer<DriverState> self,
                                        const std::shared_ptr<DriverSetup>& setup);

}  // namespace stagecraft
