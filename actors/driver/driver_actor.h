// A run has one driver, in rank 0's process. It decides every update and what follows it, and
// starts the writing of the model.
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <vector>

#include "actors/driver/driver_phases.h"
#include "actors/driver/event_queue.h"
#include "actors/driver/state_keeper.h"
#include "actors/driver/step_counts.h"
#include "actors/driver/step_reduction.h"
#include "actors/protocol/messages.h"
#include "actors/protocol/run_config.h"
#include "actors/protocol/run_report.h"
#include "stages/board/progress_board.h"

namespace stagecraft {

/// What the driver is constructed from. The objects behind the pointers outlive the actor.
struct DriverSetup {
  std::shared_ptr<ProgressBoard> board;
  FailureMonitor monitor;  // of this process; null in tests of the driver alone
  const TrainingPlan* plan = nullptr;
  const RunConfig* config = nullptr;
  RunObservers observers;
  std::int64_t evaluation_samples = 0;  // 0: no evaluation
  CountLosses counts;                   // of a pass, over the whole mesh
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
  void ready(const Ready& message);
  void pass_done(const PassDone& message);
  template <typename Message>
  void state_kept(const Message& message);
  void model_written(const ModelWritten& message);
  void stage_ended(const StageEnded& message);
  void run_failed(const RunFailed& message);
  void end();

 private:
  template <typename Phase>
  Phase& expect(std::string_view message);
  template <typename Message>
  void tell_all(const Message& message);
  void guarded(const std::function<void()>& action);
  void observe(const EventQueue::Event& event);
  void show(const EventQueue::Event& event);
  int ranks() const { return setup_->plan->mesh.ranks(); }
  std::int64_t step() const;

  void step_primed();
  void check_loaded(const HashSums& loaded) const;
  void begin_training();
  void begin_step(std::int64_t step);
  PassRange step_range(std::int64_t step);
  Stepping stepping(std::int64_t step, std::int64_t now_ns);
  void go_on_from(const CheckpointManifest& checkpoint);
  void step_done(const PassDone& message);
  /// What follows a step's update.
  struct Following {
    bool last = false;  // no step
    std::optional<Evaluation> evaluation = {};
    std::optional<KeepState> kept = {};
  };
  Following following(std::int64_t step);
  ApplyUpdate update_of(const StepReport& report, Following& next);
  void go_on_behind(std::int64_t step, Following next, std::int64_t now_ns);
  void decide_update(const Stepping& phase, const std::vector<RankResults>& results);
  StepReport step_report(std::int64_t step, const StepReduction& sums) const;
  void end_step(const StepReport& report, std::int64_t end_ns);
  bool stops();
  bool evaluates_after(std::int64_t step) const;
  Evaluation evaluation_after(std::int64_t step) const;
  void begin_evaluation(Evaluating phase);
  void batch_done(const PassDone& message);
  void end_evaluation();
  void settle_evaluation(std::int64_t step, bool due);
  void save_stopped(const EvaluationReport& evaluation);
  void write_model();
  void model_is_written();
  void finish_when_saved();
  void finish();
  RunFailed failure() const;
  void lost_rank(int rank);
  void ended(int rank);

  DriverActor::stateful_pointer<DriverState> self_ = nullptr;
  std::shared_ptr<DriverSetup> setup_;
  std::vector<StageActor> stages_;            // by rank
  std::set<caf::strong_actor_ptr> monitors_;  // one per process
  RunResult result_;
  bool stop_heard_ = false;
  std::int64_t begin_ns_ = 0;  // of the first step
  EventQueue events_{[this](const EventQueue::Event& event) { show(event); }};
  std::optional<StateKeeper> keeper_;
  std::optional<StepCounts> counts_;
  DriverPhase phase_ = Ending{};  // Starting once the stages are known
  std::set<int> ended_;           // ranks that sent StageEnded or are lost, in any phase
};

/// Spawn detached: writing the model may block its thread.
DriverActor::behavior_type driver_actor(DriverActor::stateful_pointer<DriverState> self,
                                        const std::shared_ptr<DriverSetup>& setup);

}  // namespace stagecraft
