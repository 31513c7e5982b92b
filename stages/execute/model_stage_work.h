// The stage work of training: runs the layers of the stage's chunks on the rank's stream.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "models/checkpoint/initial_model.h"
#include "models/optim/optimizer_config.h"
#include "stages/channels/pass.h"
#include "stages/execute/mesh_communicators.h"
#include "stages/execute/micro_batch_source.h"
#include "stages/execute/stage_work.h"
#include "stages/plan/plan.h"

namespace stagecraft {

/// What the work needs besides the plan.
struct WorkConfig {
  OptimizerConfig optimizer;
  std::uint64_t seed = 1;  // of random weights and of dropout
  int threads = 1;         // of the host, that draw random weights
  SampleConfig samples;
};

/// The layers of one chunk, and the tensors that its micro-batches keep between instructions.
class ChunkState;

class ModelStageWork : public StageWork {
 public:
  /// Makes the parameters of the rank's stage, with undefined weights. `plan` must outlive it.
  ModelStageWork(const TrainingPlan& plan, int rank, std::unique_ptr<Stream> stream,
                 MeshCommunicators groups, TextData data, const WorkConfig& config);
  ~ModelStageWork() override;

  /// Fills the weights from `initial`, or at random if it is null. Calls `on_parameter` before each
  /// parameter. Throws what reading throws.
  void fill_weights(const InitialModel* initial, const std::function<void()>& on_parameter);
  /// Writes this rank's part of the model to the file that begin_model_files made. Only data rank 0
  /// writes, since all data ranks have the same weights.
  void write_weights(const std::filesystem::path& temporary);

  Stream& stream() override { return *stream_; }
  void begin(const Pass& pass) override;
  void run(const Instruction& instruction) override;
  Tensor take_output(const Instruction& send) override;
  void put_input(const Instruction& receive, Tensor x) override;
  PassResults results() override;
  void update(const Update& update) override;

 private:
  /// A parameter whose square this rank reports.
  struct Reported {
    std::int32_t index = 0;  // in ModelSpec::parameters()
    const Parameter* parameter = nullptr;
  };

  bool owns(int chunk) const;
  ChunkState& chunk(int chunk);
  void forward(const Instruction& instruction);
  void backward(const Instruction& instruction);
  void reduce_tied();
  void reduce_data(const Instruction& instruction);
  bool reports(const Parameter& parameter) const;
  std::vector<Reported> reported() const;

  const TrainingPlan& plan_;
  MeshCoordinate coordinate_;
  std::unique_ptr<Stream> stream_;
  MeshCommunicators groups_;
  MicroBatchSource source_;
  OptimizerConfig optimizer_;
  std::uint64_t seed_;
  int threads_;
  std::unique_ptr<ParameterStore> parameters_;
  std::vector<std::unique_ptr<ChunkState>> chunks_;  // by chunk; null: another stage's
  std::vector<Reported> reported_;
  Tensor results_;  // losses by micro-batch, then squares: one copy to the host for all
  Pass pass_;
};

}  // namespace stagecraft
