// The real work of a rank: the layers of its stage's chunks on its stream.
#pragma once

#include <memory>
#include <vector>

#include "models/optim/optimizer_config.h"
#include "models/text/token_dataset.h"
#include "stages/plan.h"
#include "stages/stage_work.h"
#include "tensor_parallel/communicator.h"

namespace stagecraft {

/// A rank's groups on the mesh.
struct MeshCommunicators {
  std::unique_ptr<Communicator> tensor;  // same stage and data rank
  std::unique_ptr<Communicator> data;    // same stage and tensor rank
  std::unique_ptr<Communicator> tied;    // stages of first and last chunk, same data, tensor rank
};

/// Collective over `world`, whose rank r is the mesh's rank r.
MeshCommunicators mesh_communicators(Communicator& world, const TrainingPlan& plan);

/// What the work needs beside the plan.
struct WorkConfig {
  OptimizerConfig optimizer;
  std::uint64_t seed = 1;
  SampleOrder order = SampleOrder::shuffled;
  std::int64_t evaluation_samples = 0;  // how many of the validation text take part
};

/// How many samples an evaluation covers: the first `batches` x `global_batch`, or all (0).
std::int64_t evaluation_samples(const TextData& data, std::int64_t batches,
                                std::int64_t global_batch);

/// One micro-batch of every chunk between its forward and its weight gradient.
class ChunkState;

class ModelStageWork : public StageWork {
 public:
  /// Makes the parameters of rank's stage, with undefined weights. `plan` must outlive it.
  ModelStageWork(const TrainingPlan& plan, int rank, std::unique_ptr<Stream> stream,
                 MeshCommunicators groups, TextData data, const WorkConfig& config);
  ~ModelStageWork() override;

  const ParameterStore& parameters() const { return *parameters_; }
  /// The weights have been filled.
  void weights_written() { parameters_->round_weights(*stream_); }

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

  ChunkState& chunk(int chunk);
  MicroBatch micro_batch(int chunk, int microbatch);
  void read_tokens(MicroBatch& batch);
  void forward(const Instruction& instruction);
  void backward(const Instruction& instruction);
  void reduce_tied();
  void reduce_data(const Instruction& instruction);
  bool reports(const Parameter& parameter) const;
  std::vector<Reported> reported() const;

  const TrainingPlan& plan_;
  MeshPlace place_;
  std::unique_ptr<Stream> stream_;
  MeshCommunicators groups_;
  TextData data_;
  WorkConfig config_;
  std::unique_ptr<ParameterStore> parameters_;
  std::vector<std::unique_ptr<ChunkState>> chunks_;  // by chunk; null: another stage's
  std::vector<Reported> reported_;
  Tensor results_;  // losses by micro-batch, then squares: one copy brings all to the host
  Pass pass_;
};

}  // namespace stagecraft
