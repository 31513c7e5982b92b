#include "models/layers/attention.h"

#include <algorithm>

#include "models/layers/saved.h"

namespace stagecraft {
namespace {

std::vector<ParameterUse> parameters_of(const AttentionConfig& config, const std::string& prefix,
                                        int shards) {
  const std::int64_t h = config.hidden;
  const LinearConfig qkv{.in = h,
                         .out = 3 * h,
                         .weight_shard = {1, shards, {h, h, h}},
                         .bias_shard = {0, shards, {h, h, h}},
                         .deviation = config.deviation,
                         .bias = config.bias};
  const LinearConfig projection{.in = h,
                                .out = h,
                                .weight_shard = {0, shards},
                                .bias_shard = {},
                                .deviation = config.residual_deviation,
                                .bias = config.bias};
  return LinearWeights::parameters({{qkv, prefix + "c_attn"}, {projection, prefix + "c_proj"}});
}

}  // namespace

LayerCost Attention::cost(const AttentionConfig& config, const CostShape& shape) {
  const std::int64_t rows = shape.samples * config.sequence;
  const std::int64_t local = config.hidden / shape.tensor;
  const auto linear = static_cast<double>(2 * rows * config.hidden * 4 * local);
  // 2 T^2 h multiply-adds of scores and values, causal half of them; backward has twice as many.
  const auto scores = static_cast<double>((config.causal ? 2 : 4) * rows * config.sequence * local);
  const std::int64_t outer = shape.activation_bytes() * rows * config.hidden;
  const std::int64_t inner = shape.activation_bytes() * rows * local;  // out; qkv has 3
  const std::int64_t lse = 4 * rows * (config.heads / shape.tensor);
  const std::int64_t stash = 4 * inner + lse;
  return {.forward_flops = linear + scores,
          .backward_input_flops = linear + 2 * scores,
          .backward_weight_flops = linear,
          .forward_sum_bytes = outer,
          .backward_sum_bytes = outer,
          .stash_bytes = stash,
          .weight_stash_bytes = 4 * inner,  // out, dqkv
          .forward_bytes = stash + outer,
          // The stash, dout and dqkv; then, beside what W needs, dx.
          .backward_bytes = std::max(stash + 4 * inner, 3 * inner + outer),
          .backward_input_bytes = std::max(stash + 4 * inner, 4 * inner + outer)};
}

Attention::Attention(const AttentionConfig& config, const LayerSetup& setup,
                     const std::string& prefix)
    : dropout_(config.dropout),
      causal_(config.causal),
      lengths_(config.lengths),
      positions_(config.sequence),
      shards_(setup.shards),
      heads_(config.heads / setup.shards.all),
      head_size_(config.hidden / config.heads),
      probability_key_(random_key(setup.seed, prefix + "attn_dropout")),
      qkv_(setup, prefix + "c_attn", config.bias),
      projection_(setup, prefix + "c_proj", config.bias) {}

Attention::Heads Attention::heads_of(const Tensor& qkv, int shard) const {
  const std::int64_t width = heads_ * head_size_;
  const std::int64_t begin = 3 * width * shard;
  return {qkv.columns(begin, begin + width), qkv.columns(begin + width, begin + 2 * width),
          qkv.columns(begin + 2 * width, begin + 3 * width)};
}

Tensor Attention::columns_of(const Tensor& out, int shard) const {
  const std::int64_t width = heads_ * head_size_;
  return out.columns(width * shard, width * (shard + 1));
}

Tensor Attention::lengths_of(const LayerContext& context) const {
  return lengths_.empty() ? Tensor() : context.batch.content(lengths_);
}

AttentionShape Attention::shape_of(const LayerContext& context, int shard) const {
  return {.samples = context.batch.samples,
          .sequence = context.batch.sequence,
          .heads = heads_,
          .head_size = head_size_,
          .first_head = heads_ * (shards_.first + shard),
          .positions = positions_,
          .causal = causal_,
          .dropout = dropout_at(context, dropout_, probability_key_)};
}

Shape Attention::lse_shape(const LayerContext& context) const {
  return {context.batch.samples, heads_, context.batch.sequence};
}

Tensor Attention::forward(LayerContext& context, const Tensor& x, Stash& stash) {
  const std::int64_t rows = context.batch.rows();
  const std::int64_t width = heads_ * head_size_ * shards_.count;
  const Tensor qkv = temporary(context, {rows, 3 * width}, x.dtype());
  column_linear_forward(context.stream, x, qkv_.weight, qkv_.bias, qkv);
  const Tensor out = temporary(context, {rows, width}, x.dtype());
  const Tensor lse =
      temporary(context, {shards_.count, elements_of(lse_shape(context))}, DType::float32);
  const Tensor lengths = lengths_of(context);
  for (int shard = 0; shard < shards_.count; ++shard) {
    const auto [q, k, v] = heads_of(qkv, shard);
    attention_forward(context.stream, {.shape = shape_of(context, shard),
                                       .q = q,
                                       .k = k,
                                       .v = v,
                                       .lengths = lengths,
                                       .out = columns_of(out, shard),
                                       .lse = lse.rows(shard, shard + 1).view(lse_shape(context))});
  }
  save(context, stash, {qkv, out, lse});
  Tensor y = temporary(context, x.shape(), x.dtype());
  row_linear_forward(context.stream, context.tensor, out, projection_.weight, y);
  return y;
}

void Attention::attend_backward(LayerContext& context, const Tensor& dout, const Tensor& qkv,
                                const Tensor& out, const Tensor& lse, const Tensor& dqkv) const {
  const Tensor lengths = lengths_of(context);
  for (int shard = 0; shard < shards_.count; ++shard) {
    const auto [q, k, v] = heads_of(qkv, shard);
    const auto [dq, dk, dv] = heads_of(dqkv, shard);
    attention_backward(context.stream, {.shape = shape_of(context, shard),
                                        .dout = columns_of(dout, shard),
                                        .q = q,
                                        .k = k,
                                        .v = v,
                                        .lengths = lengths,
                                        .out = columns_of(out, shard),
                                        .lse = lse.rows(shard, shard + 1).view(lse_shape(context)),
                                        .dq = dq,
                                        .dk = dk,
                                        .dv = dv});
  }
}

Tensor Attention::backward_input(LayerContext& context, const Tensor& dy, const Tensor& x,
                                 Stash& stash, WeightStash& weights) {
  Tensor lse = pop(stash);
  Tensor out = pop(stash);
  Tensor qkv = pop(stash);
  Tensor dout = temporary(context, out.shape(), out.dtype());
  row_linear_backward_input(context.stream, dy, projection_.weight, dout);
  projection_.backward(context, out, dy, weights);
  const Tensor dqkv = temporary(context, qkv.shape(), qkv.dtype());
  attend_backward(context, dout, qkv, out, lse, dqkv);
  dout = out = qkv = lse = Tensor();
  Tensor dx = temporary(context, x.shape(), x.dtype());
  const Event summed =
      column_linear_backward_input(context.stream, context.tensor, dqkv, qkv_.weight, dx);
  qkv_.backward(context, x, dqkv, weights);
  context.stream.wait(summed);
  return dx;
}

BodySpec attention(const AttentionConfig& config, const std::string& prefix, int tensor_shards) {
  return {
      .reads = config.lengths.empty() ? std::vector<std::string>{} : std::vector{config.lengths},
      .parameters = parameters_of(config, prefix, tensor_shards),
      .cost = [config](const CostShape& shape) { return Attention::cost(config, shape); },
      .make = [config, prefix](const LayerSetup& setup) -> std::unique_ptr<Body> {
        return std::make_unique<Attention>(config, setup, prefix);
      }};
}

}  // namespace stagecraft
