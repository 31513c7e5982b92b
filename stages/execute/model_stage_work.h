// The stage work of training: runs the layers of the stage's chunks on the rank's stream.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "models/optim/optimizer_config.h"
#include "models/optim/owned_update.h"
#include "stages/channels/pass.h"
#include "stages/execute/mesh_communicators.h"
#include "stages/execute/micro_batch_source.h"
#include "stages/execute/saved_state.h"
#include "stages/execute/stage_work.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// What the work needs besides the plan.
struct WorkConfig {
  OptimizerConfig optimizer;
  std::uint64_t seed = 1;  // of dropout
  SampleConfig samples;
  /// Snapshots will be taken: their memory is made from the start, beside the work.
  bool snapshots = false;
  /// Called again and again while the parameters and a snapshot's memory are made, and before each
  /// layer's forward and backward: progress for a watchdog.
  std::function<void()> on_progress = [] {};
};

/// The layers of one chunk, and the tensors that its micro-batches keep between instructions.
class ChunkState;

class ModelStageWork : public StageWork {
 public:
  /// Makes the parameters of the rank's stage, with undefined weights. `plan` must outlive it.
  ModelStageWork(const TrainingPlan& plan, int rank, std::unique_ptr<Stream> stream,
                 MeshCommunicators groups, TextData data, const WorkConfig& config);
  ~ModelStageWork() override;

  Stream& stream() override { return *stream_; }
  void begin(const Pass& pass, const LossCounts& counts) override;
  void run(const Instruction& instruction) override;
  Tensor take_output(const Instruction& send) override;
  void put_input(const Instruction& receive, Tensor x) override;
  bool await_reductions() override;
  PassResults results() override;
  void update(const Update& update) override;
  void load(StateKind kind, const StateReader& reader) override;
  const std::vector<StatePiece>& pieces() const override { return saved_.pieces(); }
  void save(StateKind kind, StateWriter& writer) override { saved_.save(kind, writer); }
  std::unique_ptr<StateSnapshot> snapshot() override {
    return saved_.snapshots().take(on_progress_);
  }
  void start_hashing() override { saved_.start_hashing(); }
  std::vector<StateHash> hashes() override { return saved_.hashes(); }

 private:
  /// A parameter that this rank owns: it reports the square of the range.
  struct Owned {
    std::int32_t index = 0;  // in ModelSpec::parameters()
    OwnedRange part;
  };

  bool owns(int chunk) const;
  std::int64_t loss_values() const;
  void set_loss_sums(MicroBatch& batch, int microbatch) const;
  ChunkState& chunk(int chunk);
  LayerContext context_of(const Instruction& instruction);
  void forward(const Instruction& instruction);
  void backward(const Instruction& instruction);
  void reduce_tied();
  void reduce_data(const std::vector<GradientSum>& sums);
  const std::vector<GradientSum>& sums_of(int chunk) const;
  bool is_owner(const Parameter& parameter) const;
  std::vector<Owned> owned() const;

  const TrainingPlan& plan_;
  MeshCoordinate coordinate_;
  std::unique_ptr<Stream> stream_;
  MeshCommunicators groups_;
  MicroBatchSource source_;
  OptimizerConfig optimizer_;
  std::function<void()> on_progress_;
  std::unique_ptr<ParameterStore> parameters_;
  OwnedUpdate update_;
  SavedState saved_;
  std::vector<std::unique_ptr<ChunkState>> chunks_;  // by chunk; null: another stage's
  std::vector<Owned> owned_;
  Event reduced_;   // behind the reductions that were started
  Tensor results_;  // losses by micro-batch, then squares: one copy to the host for all
  Pass pass_;
};

}  // namespace stagecraft
