// One actor per device: a thin shell around an executor.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>

#include "actors/protocol/messages.h"
#include "actors/protocol/run_config.h"
#include "actors/stage/pipeline_peers.h"
#include "actors/stage/priming.h"
#include "actors/stage/result_gather.h"
#include "actors/stage/stage_statistics.h"
#include "actors/stage/stage_trace.h"
#include "actors/stage/state_saver.h"
#include "kernels/core/stream_span.h"
#include "models/checkpoint/initial_model.h"
#include "stages/board/progress_board.h"
#include "stages/channels/pass.h"
#include "stages/execute/executor.h"
#include "stages/execute/model_stage_work.h"
#include "tensor_parallel/comm/contract/observed_communicator.h"

namespace stagecraft {

/// What a stage actor is constructed from. The objects behind the pointers outlive the actor.
struct StageSetup {
  int rank = 0;
  const TrainingPlan* plan = nullptr;
  const RunConfig* config = nullptr;
  WorkConfig work;
  TextData data;
  std::shared_ptr<const InitialModel> initial;  // null: random weights
  std::unique_ptr<Stream> stream;
  std::unique_ptr<Communicator> world;  // of all ranks; on the host
  /// Converts a host communicator of a group to one for the stream's tensors. Collective over the
  /// group.
  std::function<std::unique_ptr<Communicator>(std::unique_ptr<Communicator>)> for_tensors;
  Channels channels;
  std::shared_ptr<ProgressBoard> board;
  ClockOf clock_of;
  /// Called from the actor's thread after its last message.
  std::function<void()> ended;
};

class StageState;

/// Spawn detached: instructions and collectives block its thread.
StageActor::behavior_type stage_actor(StageActor::stateful_pointer<StageState> self,
                                      const std::shared_ptr<StageSetup>& setup,
                                      const FailureMonitor& monitor);

/// The actor's state, everything except the mailbox.
class StageState : public CommunicationObserver {
 public:
  static inline const char* name = "stage";

  void start(StageActor::stateful_pointer<StageState> self, std::shared_ptr<StageSetup> setup,
             FailureMonitor monitor);
  void connect(const std::vector<caf::strong_actor_ptr>& column,
               const caf::strong_actor_ptr& parent);
  void join(const caf::strong_actor_ptr& driver);
  void lost(const caf::down_msg& down);
  void run_passes(const RunPasses& message);
  void gather(const PassDone& part);
  void deliver(const Envelope& envelope);
  void credit(const Credit& credit);
  void apply(const ApplyUpdate& update);
  void keep_state(const KeepState& order);
  void state_saved(const StateSaved& message);
  void write_model(const WriteModel& message);
  void finish(const Finish& message);

  void begin(Stream* stream, std::string_view operation) override;
  void end(Stream* stream, std::string_view operation) override;

 private:
  void guarded(const std::function<void()>& action);
  void fail_here(std::string_view what, bool aborted);
  void fail(int culprit, const std::string& text, bool aborted);
  void begin_when_complete();
  void make_work();
  MeshCommunicators make_groups();
  std::vector<WireHash> load_state();
  void load_weights();
  void begin_trace();
  void compare_clocks(bool at_end);
  void write_trace();
  void end_trace();
  void follow_priming(std::int64_t step);
  void enqueue(const std::vector<PassRange>& passes);
  void pump();
  bool take_up_next();
  void begin_pass();
  void report();
  void await_reductions();
  void keep(const KeepState& order);
  void send_hashes();
  void rest();
  ProgressSlot& progress();

  struct OrderedPass {
    Pass pass;
    LossCounts counts;
  };

  StageActor::stateful_pointer<StageState> self_ = nullptr;
  std::shared_ptr<StageSetup> setup_;
  DriverActor driver_;  // null until its Join arrives
  FailureMonitor monitor_;
  MeshCoordinate coordinate_;
  PipelinePeers peers_;
  StageActor parent_;  // null: the driver
  std::optional<ResultGather> results_;
  StageStatistics meter_;
  StageTrace trace_;
  std::unique_ptr<StageWork> work_;
  std::optional<Executor> executor_;
  std::optional<StateSaver> saver_;
  std::optional<KeepState> kept_behind_update_;  // ordered with the update, which has not run
  std::int64_t hashed_step_ = 0;                 // whose hashes are not sent; 0: none
  std::deque<OrderedPass> passes_;               // queued passes, in order
  bool running_ = false;                         // a pass has begun and its end was not reported
  bool reported_ = false;                        // the current pass was reported
  bool failed_ = false;
  PrimingStep priming_;
  std::optional<StreamSpan> communication_;  // set during a collective
};

}  // namespace stagecraft
