#include "models/layers/attention.h"

#include <algorithm>
#include <cmath>

#include "models/layers/saved.h"

namespace stagecraft {

std::vector<ParameterUse> Attention::parameters(const AttentionConfig& config,
                                                const std::string& prefix, int tensor_shards) {
  const std::int64_t h = config.hidden;
  const Initializer normal{Initializer::Kind::normal, config.deviation};
  const Initializer residual{Initializer::Kind::normal, config.residual_deviation};
  const Initializer zeros{Initializer::Kind::zeros};
  std::vector<ParameterUse> uses = LayerNorm::parameters(prefix + "ln_1", h);
  const std::string name = prefix + "attn.";
  const int t = tensor_shards;
  uses.push_back({{name + "c_attn.weight", {h, 3 * h}, {1, t, 3}, normal}, ""});
  uses.push_back({{name + "c_attn.bias", {3 * h}, {0, t, 3}, zeros}, ""});
  uses.push_back({{name + "c_proj.weight", {h, h}, {0, t}, residual}, ""});
  uses.push_back({{name + "c_proj.bias", {h}, {}, zeros}, ""});
  return uses;
}

LayerCost Attention::cost(const AttentionConfig& config, const CostShape& shape) {
  const std::int64_t rows = shape.samples * config.sequence;
  const std::int64_t h = config.hidden;
  const std::int64_t local = h / shape.tensor;
  const auto linear = static_cast<double>(2 * rows * h * 4 * local);
  // Causal: half of the 2 T^2 h multiply-adds of scores and values; backward has twice as many.
  const auto scores = static_cast<double>(2 * rows * config.sequence * local);
  const std::int64_t activation = shape.activation_bytes();
  const std::int64_t statistics = 8 * rows;  // mean and rstd
  const std::int64_t sums = LayerNorm::weight_stash_bytes(rows, h);
  const std::int64_t lse = 4 * rows * (config.heads / shape.tensor);
  const std::int64_t branch = config.dropout > 0 ? rows * h : 0;
  const std::int64_t stash = activation * rows * (2 * h + 4 * local) + statistics + lse;
  // Live at the end of attention_backward: the stash, dy, dout and dqkv.
  const std::int64_t scores_end = stash + activation * (rows * (h + 4 * local) + branch);
  // Live in the norm's backward: dy, dnormed and dx, and the norm's saved x and y.
  const std::int64_t norm_end = activation * (rows * 5 * h + branch) + statistics + sums;
  return {.forward_flops = linear + scores,
          .backward_input_flops = linear + 2 * scores,
          .backward_weight_flops = linear,
          .forward_sum_bytes = activation * rows * h,
          .backward_sum_bytes = activation * rows * h,
          .stash_bytes = stash,
          .weight_stash_bytes = activation * rows * (2 * h + 4 * local) + sums,
          .forward_bytes = stash + activation * rows * h,
          .backward_bytes = std::max(scores_end, norm_end),
          .backward_input_bytes = std::max(scores_end, norm_end + activation * rows * 4 * local)};
}

Attention::Attention(const AttentionConfig& config, const LayerSetup& setup,
                     const std::string& prefix)
    : dropout_(config.dropout),
      heads_(config.heads / setup.tensor_ranks),
      head_size_(config.hidden / config.heads),
      first_head_(heads_ * setup.tensor_rank),
      probability_key_(random_key(setup.seed, prefix + "attn.attn_dropout")),
      residual_key_(random_key(setup.seed, prefix + "attn.resid_dropout")),
      norm_(setup, prefix + "ln_1"),
      qkv_(setup, prefix + "attn.c_attn"),
      projection_(setup, prefix + "attn.c_proj") {}

Attention::Heads Attention::split(const Tensor& qkv) const {
  const std::int64_t width = heads_ * head_size_;
  return {qkv.columns(0, width), qkv.columns(width, 2 * width), qkv.columns(2 * width, 3 * width)};
}

AttentionShape Attention::shape_of(const LayerContext& context) const {
  return {.samples = context.batch.samples,
          .sequence = context.batch.sequence,
          .heads = heads_,
          .head_size = head_size_,
          .first_head = first_head_,
          .dropout = dropout_at(context, dropout_, probability_key_)};
}

Tensor Attention::forward(LayerContext& context, Tensor x, Stash& stash) {
  const std::int64_t rows = context.batch.rows();
  const std::int64_t width = heads_ * head_size_;
  const Tensor normed = norm_.forward(context, x, stash);
  const Tensor qkv = temporary(context, {rows, 3 * width}, x.dtype());
  column_linear_forward(context.stream, normed, qkv_.weight, qkv_.bias, qkv);
  const Tensor out = temporary(context, {rows, width}, x.dtype());
  const Tensor lse =
      temporary(context, {context.batch.samples, heads_, context.batch.sequence}, DType::float32);
  const auto [q, k, v] = split(qkv);
  attention_forward(context.stream,
                    {.shape = shape_of(context), .q = q, .k = k, .v = v, .out = out, .lse = lse});
  save(context, stash, {qkv, out, lse});
  Tensor y = temporary(context, x.shape(), x.dtype());
  row_linear_forward(context.stream, context.tensor, out, projection_.weight, y);
  bias_dropout_residual(context.stream, {.x = y,
                                         .bias = projection_.bias,
                                         .residual = x,
                                         .dropout = dropout_at(context, dropout_, residual_key_),
                                         .y = y});
  return y;
}

void Attention::attend_backward(LayerContext& context, const Tensor& dout, const Tensor& qkv,
                                const Tensor& out, const Tensor& lse, const Tensor& dqkv) const {
  const auto [q, k, v] = split(qkv);
  const auto [dq, dk, dv] = split(dqkv);
  attention_backward(context.stream, {.shape = shape_of(context),
                                      .dout = dout,
                                      .q = q,
                                      .k = k,
                                      .v = v,
                                      .out = out,
                                      .lse = lse,
                                      .dq = dq,
                                      .dk = dk,
                                      .dv = dv});
}

Tensor Attention::backward_input(LayerContext& context, Tensor dy, Stash& stash,
                                 WeightStash& weights) {
  Tensor lse = pop(stash);
  Tensor out = pop(stash);
  Tensor qkv = pop(stash);
  const LayerNorm::Saved norm = LayerNorm::take(stash);
  const Tensor branch = dropout_gradient(context, dy, dropout_, residual_key_);
  Tensor dout = temporary(context, out.shape(), out.dtype());
  row_linear_backward_input(context.stream, branch, projection_.weight, dout);
  projection_.backward(context, out, branch, weights);
  Tensor dqkv = temporary(context, qkv.shape(), qkv.dtype());
  attend_backward(context, dout, qkv, out, lse, dqkv);
  dout = out = qkv = lse = Tensor();
  const Tensor dnormed = temporary(context, dy.shape(), dy.dtype());
  const Event summed =
      column_linear_backward_input(context.stream, context.tensor, dqkv, qkv_.weight, dnormed);
  qkv_.backward(context, norm.y, dqkv, weights);
  dqkv = Tensor();
  context.stream.wait(summed);
  return norm_.backward(context, dnormed, norm, dy, weights);
}

}  // namespace stagecraft
