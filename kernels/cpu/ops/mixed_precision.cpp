#include "kernels/cpu/ops/mixed_precision.h"

#include <vector>

#include "kernels/cpu/ops/attention.h"
#include "kernels/cpu/ops/bfloat16_product.h"
#include "kernels/cpu/ops/cross_entropy.h"
#include "kernels/cpu/ops/elementwise.h"
#include "kernels/cpu/ops/embedding.h"
#include "kernels/cpu/ops/matmul.h"
#include "kernels/cpu/ops/norm.h"

namespace stagecraft::cpu::either {
namespace {

bool holds_bfloat16(const Tensor& tensor) {
  return !tensor.empty() && tensor.dtype() == DType::bfloat16;
}

/// The float32 stand-ins of one call's tensors.
class Widened {
 public:
  explicit Widened(Stream& stream) : stream_(stream) {}

  void read(Tensor& tensor) {
    if (holds_bfloat16(tensor)) {
      const Tensor widened = stand_in(tensor);
      cpu::convert(stream_, {tensor, widened});
      tensor = widened;
    }
  }
  void written(Tensor& tensor) {
    if (holds_bfloat16(tensor)) {
      const Tensor widened = stand_in(tensor);
      results_.push_back({widened, tensor});
      tensor = widened;
    }
  }
  void changed(Tensor& tensor) {
    const Tensor narrow = tensor;
    read(tensor);
    if (holds_bfloat16(narrow)) {
      results_.push_back({tensor, narrow});
    }
  }
  /// The results go where they belong.
  void store() {
    for (const Convert& result : results_) {
      cpu::convert(stream_, result);
    }
  }

 private:
  Tensor stand_in(const Tensor& tensor) {
    return {stream_.memory(), tensor.shape(), DType::float32, MemoryLabel::workspace};
  }

  Stream& stream_;
  std::vector<Convert> results_;
};

/// Calls `op` with stand-ins for the members of `args` that it reads, writes, or both.
template <typename Args>
void in_float32(Stream& stream, void (*op)(Stream&, const Args&), Args args,
                std::initializer_list<Tensor Args::*> reads,
                std::initializer_list<Tensor Args::*> writes,
                std::initializer_list<Tensor Args::*> changes = {}) {
  Widened tensors(stream);
  for (const auto member : reads) {
    tensors.read(args.*member);
  }
  for (const auto member : writes) {
    tensors.written(args.*member);
  }
  for (const auto member : changes) {
    tensors.changed(args.*member);
  }
  op(stream, args);
  tensors.store();
}

}  // namespace

void matmul(Stream& stream, const Matmul& args) {
  if (!holds_bfloat16(args.a)) {
    cpu::matmul(stream, args);
    return;
  }
  Matmul product = args;
  product.c = args.pre_activation.empty() ? args.c : args.pre_activation;
  multiply_bfloat16(stream, product);
  if (!args.bias.empty()) {
    either::bias_dropout_residual(stream, {.x = product.c, .bias = args.bias, .y = product.c});
  }
  if (!args.pre_activation.empty()) {
    either::gelu_forward(stream, {.x = args.pre_activation, .y = args.c});
  } else if (!args.activation_grad_of.empty()) {
    either::gelu_backward(stream, {.dy = args.c, .x = args.activation_grad_of, .dx = args.c});
  }
}

void layer_norm_forward(Stream& stream, const LayerNormForward& args) {
  in_float32<LayerNormForward>(stream, cpu::layer_norm_forward, args, {&LayerNormForward::x},
                               {&LayerNormForward::y});
}

void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args) {
  in_float32<LayerNormBackwardInput>(stream, cpu::layer_norm_backward_input, args,
                                     {&LayerNormBackwardInput::dy, &LayerNormBackwardInput::x,
                                      &LayerNormBackwardInput::residual_gradient},
                                     {&LayerNormBackwardInput::dx});
}

void gelu_forward(Stream& stream, const GeluForward& args) {
  in_float32<GeluForward>(stream, cpu::gelu_forward, args, {&GeluForward::x}, {&GeluForward::y});
}

void gelu_backward(Stream& stream, const GeluBackward& args) {
  in_float32<GeluBackward>(stream, cpu::gelu_backward, args, {&GeluBackward::dy, &GeluBackward::x},
                           {&GeluBackward::dx});
}

void bias_dropout_residual(Stream& stream, const BiasDropoutResidual& args) {
  in_float32<BiasDropoutResidual>(
      stream, cpu::bias_dropout_residual, args,
      {&BiasDropoutResidual::x, &BiasDropoutResidual::bias, &BiasDropoutResidual::residual},
      {&BiasDropoutResidual::y});
}

void dropout_backward(Stream& stream, const DropoutBackward& args) {
  in_float32<DropoutBackward>(stream, cpu::dropout_backward, args, {&DropoutBackward::dy},
                              {&DropoutBackward::dx});
}

void bias_gradient(Stream& stream, const BiasGradient& args) {
  in_float32<BiasGradient>(stream, cpu::bias_gradient, args, {&BiasGradient::dy}, {});
}

void add(Stream& stream, const Add& args) {
  in_float32<Add>(stream, cpu::add, args, {&Add::a, &Add::b}, {&Add::c});
}

void token_embedding_forward(Stream& stream, const TokenEmbeddingForward& args) {
  in_float32<TokenEmbeddingForward>(stream, cpu::token_embedding_forward, args,
                                    {&TokenEmbeddingForward::table}, {&TokenEmbeddingForward::y});
}

void token_embedding_backward(Stream& stream, const TokenEmbeddingBackward& args) {
  in_float32<TokenEmbeddingBackward>(stream, cpu::token_embedding_backward, args,
                                     {&TokenEmbeddingBackward::dy}, {});
}

void position_embedding_forward(Stream& stream, const PositionEmbeddingForward& args) {
  in_float32<PositionEmbeddingForward>(
      stream, cpu::position_embedding_forward, args,
      {&PositionEmbeddingForward::x, &PositionEmbeddingForward::table},
      {&PositionEmbeddingForward::y});
}

void position_embedding_backward(Stream& stream, const PositionEmbeddingBackward& args) {
  in_float32<PositionEmbeddingBackward>(stream, cpu::position_embedding_backward, args,
                                        {&PositionEmbeddingBackward::dy}, {});
}

void attention_forward(Stream& stream, const AttentionForward& args) {
  in_float32<AttentionForward>(stream, cpu::attention_forward, args, {&AttentionForward::qkv},
                               {&AttentionForward::out});
}

void attention_backward(Stream& stream, const AttentionBackward& args) {
  in_float32<AttentionBackward>(
      stream, cpu::attention_backward, args,
      {&AttentionBackward::dout, &AttentionBackward::qkv, &AttentionBackward::out},
      {&AttentionBackward::dqkv});
}

void softmax_maximum(Stream& stream, const SoftmaxMaximum& args) {
  in_float32<SoftmaxMaximum>(stream, cpu::softmax_maximum, args, {&SoftmaxMaximum::logits}, {});
}

void softmax_sum(Stream& stream, const SoftmaxSum& args) {
  in_float32<SoftmaxSum>(stream, cpu::softmax_sum, args, {&SoftmaxSum::logits}, {});
}

void softmax_gradient(Stream& stream, const SoftmaxGradient& args) {
  in_float32<SoftmaxGradient>(stream, cpu::softmax_gradient, args, {}, {},
                              {&SoftmaxGradient::logits});
}

void softmax_cross_entropy(Stream& stream, const SoftmaxCrossEntropy& args) {
  in_float32<SoftmaxCrossEntropy>(stream, cpu::softmax_cross_entropy, args, {}, {},
                                  {&SoftmaxCrossEntropy::logits});
}

}  // namespace stagecraft::cpu::either
