#include "stages/execute/model_stage_work.h"

#include <algorithm>
#include <utility>

#include "kernels/ops/elementwise.h"
#include "kernels/ops/host_copy.h"
#include "kernels/ops/reduce.h"
#include "tensor_parallel/gradients/gradient_buckets.h"

namespace stagecraft {

class ChunkState {
 public:
  struct Live {
    MicroBatch batch;
    Tensor x;                    // input, until F
    Tensor y;                    // output, until it is sent
    Tensor dy;                   // gradient of the output
    Tensor dx;                   // gradient of the input, until it is sent
    std::vector<Stash> stashes;  // by layer
    WeightStash weights{WeightStash::Mode::immediate};
  };

  Live& at(int microbatch) { return live.at(static_cast<std::size_t>(microbatch)); }

  std::vector<ContentSpec> contents;  // that the layers read
  std::vector<std::unique_ptr<Layer>> layers;
  std::vector<Live> live;  // by micro-batch
};

namespace {

std::vector<OwnedRange> whole_parameters(const ParameterStore& store) {
  std::vector<OwnedRange> all;
  for (const Parameter& parameter : store.parameters()) {
    all.push_back(whole_of(parameter));
  }
  return all;
}

}  // namespace

ModelStageWork::ModelStageWork(const TrainingPlan& plan, int rank, std::unique_ptr<Stream> stream,
                               MeshCommunicators groups, TextData data, const WorkConfig& config)
    : plan_(plan),
      coordinate_(coordinate_of(plan.mesh, rank)),
      stream_(std::move(stream)),
      groups_(std::move(groups)),
      source_(plan, coordinate_.data, std::move(data), config.samples),
      optimizer_(config.optimizer),
      on_progress_(config.on_progress),
      parameters_(std::make_unique<ParameterStore>(
          *stream_,
          uses_by_run(plan.model,
                      ranges_of(plan.chunks, plan.program.stage_of_chunk, coordinate_.pipeline)),
          coordinate_.tensor, plan.mesh.tensor, plan.batch.compute(), config.on_progress)),
      update_(*stream_, whole_parameters(*parameters_)),
      saved_(*stream_, *parameters_, saved_parts(plan, rank)),
      chunks_(plan.chunks.size()) {
  const LayerSetup layer_setup{
      .stream = *stream_,
      .parameters = *parameters_,
      .shards = shards_of_rank(plan.model.tensor_shards, coordinate_.tensor, plan.mesh.tensor),
      .seed = config.seed};
  for (std::size_t c = 0; c < plan.chunks.size(); ++c) {
    if (plan.program.stage_of_chunk[c] != coordinate_.pipeline) {
      continue;
    }
    chunks_[c] = std::make_unique<ChunkState>();
    chunks_[c]->live.resize(static_cast<std::size_t>(plan.microbatches));
    chunks_[c]->contents = plan.model.contents_of(plan.chunks[c].first, plan.chunks[c].last);
    for (int i = plan.chunks[c].first; i < plan.chunks[c].last; ++i) {
      chunks_[c]->layers.push_back(
          plan.model.layers[static_cast<std::size_t>(i)].make(layer_setup));
    }
  }
  owned_ = owned();
  if (config.snapshots) {
    saved_.snapshots().make_memory();
  }
}

ModelStageWork::~ModelStageWork() = default;

bool ModelStageWork::owns(int chunk) const {
  return chunk >= 0 && chunk < static_cast<int>(chunks_.size()) &&
         chunks_[static_cast<std::size_t>(chunk)] != nullptr;
}

ChunkState& ModelStageWork::chunk(int chunk) {
  require(owns(chunk), "ModelStageWork", "chunk {} is not on stage {}", chunk,
          coordinate_.pipeline);
  return *chunks_[static_cast<std::size_t>(chunk)];
}

void ModelStageWork::begin(const Pass& pass, const LossCounts& counts) {
  pass_ = pass;
  const auto squares = static_cast<std::int64_t>(owned_.size());
  results_ =
      Tensor(stream_->memory(), {loss_values() + squares}, DType::float64, MemoryLabel::workspace);
  for (std::size_t c = 0; c < chunks_.size(); ++c) {
    if (chunks_[c] == nullptr) {
      continue;
    }
    for (int m = 0; m < plan_.microbatches; ++m) {
      ChunkState::Live& live = chunks_[c]->at(m);
      live = {};
      live.batch = source_.at(pass, m, counts);
      live.stashes.resize(chunks_[c]->layers.size());
      if (c + 1 == chunks_.size()) {
        set_loss_sums(live.batch, m);
      }
    }
  }
}

std::int64_t ModelStageWork::loss_values() const {
  return plan_.microbatches * static_cast<std::int64_t>(plan_.model.losses.size());
}

/// The sums of a micro-batch's losses lie one behind the other.
void ModelStageWork::set_loss_sums(MicroBatch& batch, int microbatch) const {
  std::int64_t at = microbatch * static_cast<std::int64_t>(batch.losses.size());
  for (MicroBatchLoss& loss : batch.losses) {
    loss.sum = results_.rows(at, at + 1);
    ++at;
  }
}

void ModelStageWork::run(const Instruction& instruction) {
  switch (instruction.op) {
    case Op::forward:
      forward(instruction);
      break;
    case Op::backward:
    case Op::backward_input:
      backward(instruction);
      break;
    case Op::backward_weight: {
      LayerContext context = context_of(instruction);
      chunk(instruction.chunk).at(instruction.microbatch).weights.run(context);
      break;
    }
    case Op::reduce_tied:
      reduce_tied();
      break;
    case Op::reduce_data:
      reduce_data(sums_of(instruction.chunk));
      break;
    case Op::reduce_tied_data:
      reduce_data(parameters_->tied_sums());
      break;
    case Op::send_activation:
    case Op::receive_activation:
    case Op::send_gradient:
    case Op::receive_gradient:
    case Op::optimizer:
      throw Error("ModelStageWork", to_string(instruction) + " is not an instruction to run");
  }
}

/// A step's first micro-batch overwrites the gradients of the step before.
LayerContext ModelStageWork::context_of(const Instruction& instruction) {
  return {.stream = *stream_,
          .tensor = *groups_.tensor,
          .batch = chunk(instruction.chunk).at(instruction.microbatch).batch,
          .gradients = parameters_->gradients(),
          .accumulate = instruction.microbatch > 0};
}

void ModelStageWork::forward(const Instruction& instruction) {
  ChunkState& state = chunk(instruction.chunk);
  ChunkState::Live& live = state.at(instruction.microbatch);
  source_.read_contents(*stream_, pass_, state.contents, live.batch);
  LayerContext context = context_of(instruction);
  Tensor x = std::move(live.x);
  for (std::size_t i = 0; i < state.layers.size(); ++i) {
    on_progress_();
    x = state.layers[i]->forward(context, std::move(x), live.stashes[i]);
  }
  if (owns(instruction.chunk + 1)) {
    chunk(instruction.chunk + 1).at(instruction.microbatch).x = x;
  } else {
    live.y = x;
  }
}

void ModelStageWork::backward(const Instruction& instruction) {
  ChunkState& state = chunk(instruction.chunk);
  ChunkState::Live& live = state.at(instruction.microbatch);
  LayerContext context = context_of(instruction);
  live.weights = WeightStash(instruction.op == Op::backward ? WeightStash::Mode::immediate
                                                            : WeightStash::Mode::deferred);
  Tensor dy = std::move(live.dy);
  for (std::size_t i = state.layers.size(); i-- > 0;) {
    on_progress_();
    dy = state.layers[i]->backward_input(context, std::move(dy), live.stashes[i], live.weights);
  }
  if (owns(instruction.chunk - 1)) {
    chunk(instruction.chunk - 1).at(instruction.microbatch).dy = dy;
  } else {
    live.dx = dy;
  }
}

Tensor ModelStageWork::take_output(const Instruction& send) {
  ChunkState::Live& live = chunk(send.chunk).at(send.microbatch);
  Tensor& x = send.op == Op::send_activation ? live.y : live.dx;
  require(!x.empty(), "ModelStageWork", "{} has nothing to send", send);
  return std::exchange(x, Tensor());
}

void ModelStageWork::put_input(const Instruction& receive, Tensor x) {
  ChunkState::Live& live = chunk(receive.chunk).at(receive.microbatch);
  (receive.op == Op::receive_activation ? live.x : live.dy) = std::move(x);
}

/// Adds the gradients of a tied parameter's uses, embedding + head: of uses on this stage locally,
/// of uses on the first and the last stage by an all-reduce of two ranks.
void ModelStageWork::reduce_tied() {
  for (const Parameter& parameter : parameters_->parameters()) {
    if (!parameter.tied()) {
      continue;
    }
    const std::span<const Tensor> gradients =
        parameters_->gradients().at(parameter.first_use, parameter.uses.size());
    const Tensor& sum = gradients.front();
    for (const Tensor& further : gradients.subspan(1)) {
      add(*stream_, {.a = sum, .b = further, .c = sum});
    }
    groups_.tied->all_reduce(*stream_, sum, ReduceOp::sum, Order::tree);
  }
}

/// The store lists the stage's chunks alone.
const std::vector<GradientSum>& ModelStageWork::sums_of(int chunk) const {
  const auto before =
      std::count_if(chunks_.begin(), chunks_.begin() + chunk,
                    [](const std::unique_ptr<ChunkState>& state) { return state != nullptr; });
  return parameters_->sums_of_chunk(static_cast<std::size_t>(before));
}

void ModelStageWork::reduce_data(const std::vector<GradientSum>& sums) {
  for (const GradientSum& sum : sums) {
    const Tensor gradients = parameters_->arenas().gradients.rows(sum.range.begin, sum.range.end);
    if (sum.axes.tensor) {
      stream_->wait(start_reducing(*stream_, *groups_.tensor, gradients));
    }
    if (sum.axes.data) {
      const Event end = start_reducing(*stream_, *groups_.data, gradients);
      reduced_ = end.native == nullptr ? reduced_ : end;
    }
  }
}

bool ModelStageWork::await_reductions() {
  const Event reduced = std::exchange(reduced_, {});
  stream_->wait(reduced);
  return reduced.native != nullptr;
}

bool ModelStageWork::is_owner(const Parameter& parameter) const {
  const bool first_use = !parameter.tied() || chunks_.front() != nullptr;
  return coordinate_.data == 0 && first_use &&
         (!parameter.spec.shard.replicated() || coordinate_.tensor == 0);
}

std::vector<ModelStageWork::Owned> ModelStageWork::owned() const {
  const std::vector<ParameterSpec> specs = plan_.model.parameters();
  std::vector<Owned> all;
  for (const Parameter& parameter : parameters_->parameters()) {
    if (is_owner(parameter)) {
      const auto known = std::find_if(specs.begin(), specs.end(), [&](const ParameterSpec& spec) {
        return spec.name == parameter.spec.name;
      });
      all.push_back({static_cast<std::int32_t>(known - specs.begin()), whole_of(parameter)});
    }
  }
  return all;
}

PassResults ModelStageWork::results() {
  const bool has_losses = chunks_.back() != nullptr && coordinate_.tensor == 0;
  const bool has_squares = traits(pass_.kind).updates && !owned_.empty();
  const std::int64_t first = has_losses ? 0 : loss_values();
  const std::int64_t last = has_squares ? results_.size(0) : loss_values();
  if (has_squares) {
    std::vector<Tensor> gradients;
    for (const Owned& owned : owned_) {
      const Parameter& parameter = *owned.part.parameter;
      const auto& [begin, end] = owned.part.range;
      gradients.push_back(parameters_->gradients()
                              .at(parameter.first_use)
                              .view({parameter.weight.elements()})
                              .rows(begin, end));
    }
    sums_of_squares(*stream_,
                    {.x = gradients, .out = results_.rows(loss_values(), results_.size(0))});
  }
  if (first == last) {
    return {};
  }
  std::vector<double> values(static_cast<std::size_t>(last - first));
  copy_to_host(*stream_, results_.rows(first, last), std::span<double>(values));
  const auto border = values.begin() + (has_losses ? loss_values() : 0);
  PassResults results{.losses = {values.begin(), border}};
  for (auto value = border; value != values.end(); ++value) {
    results.squares.push_back({owned_[static_cast<std::size_t>(value - border)].index, *value});
  }
  return results;
}

void ModelStageWork::update(const Update& update) {
  if (update.step == 0) {
    return;
  }
  AdamW values;
  values.learning_rate = static_cast<float>(update.learning_rate);
  values.beta1 = static_cast<float>(optimizer_.beta1);
  values.beta2 = static_cast<float>(optimizer_.beta2);
  values.epsilon = static_cast<float>(optimizer_.epsilon);
  values.weight_decay = static_cast<float>(optimizer_.weight_decay);
  values.gradient_scale = static_cast<float>(update.gradient_scale);
  values.step = update.step;
  saved_.snapshots().await();
  update_.apply(*stream_, parameters_->arenas(), values);
}

void ModelStageWork::load(StateKind kind, const StateReader& reader) {
  saved_.snapshots().await();
  for (const Parameter& parameter : parameters_->parameters()) {
    load_state(*stream_, parameter, kind, reader);
  }
  if (kind == StateKind::weight) {
    parameters_->round_weights(*stream_);
  }
}

}  // namespace stagecraft
