// The one file that includes cuDNN's frontend, whose headers take minutes to compile.
#include "kernels/cuda/runtime/cudnn_attention.h"

#include <cudnn_frontend.h>

#include <cmath>
#include <cstdint>
#include <map>
#include <unordered_map>

#include "kernels/base/random.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/handle.h"
#include "kernels/cuda/runtime/native_stream.h"
#include "kernels/cuda/runtime/write_numbers.h"

namespace stagecraft::cuda {
namespace {

namespace fe = cudnn_frontend;

constexpr std::string_view kWhere = "attention";

void check(cudnnStatus_t status) {
  if (status != CUDNN_STATUS_SUCCESS) [[unlikely]] {
    throw Error(kWhere, fmt::format("cuDNN: {}", cudnnGetErrorString(status)));
  }
}

/// Numbers between the rows of each tensor; 0 where a direction does not have it.
struct RowStrides {
  std::int64_t q = 0, k = 0, v = 0, out = 0, dout = 0, dq = 0, dk = 0, dv = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 finds it in what the compiler writes
  auto operator<=>(const RowStrides&) const = default;
};

RowStrides strides_of(const AttentionInputs& inputs) {
  return {.q = inputs.q.row_stride(),
          .k = inputs.k.row_stride(),
          .v = inputs.v.row_stride(),
          .out = inputs.out.row_stride()};
}

RowStrides strides_of(const AttentionBackward& args) {
  RowStrides strides = strides_of(attention_inputs(args));
  strides.dout = args.dout.row_stride();
  strides.dq = args.dq.row_stride();
  strides.dk = args.dk.row_stride();
  strides.dv = args.dv.row_stride();
  return strides;
}

/// Those of a backward whose gradients lie as what they are the gradients of.
RowStrides with_gradients(RowStrides strides) {
  strides.dout = strides.out;
  strides.dq = strides.q;
  strides.dk = strides.k;
  strides.dv = strides.v;
  return strides;
}

/// What a plan is a function of.
struct PlanShape {
  PlanShape(const AttentionInputs& inputs, const RowStrides& rows)
      : samples(inputs.shape.samples),
        sequence(inputs.shape.sequence),
        heads(inputs.shape.heads),
        key_heads(inputs.shape.key_heads()),
        size(inputs.shape.head_size),
        dropped(inputs.shape.dropout.probability),
        causal(inputs.shape.causal),
        padded(!inputs.lengths.empty()),
        strides(rows) {}
  std::int64_t samples, sequence, heads, key_heads, size;
  float dropped;
  bool causal, padded;
  RowStrides strides;
  // NOLINTNEXTLINE(modernize-use-nullptr): as above
  auto operator<=>(const PlanShape&) const = default;
};

/// The tensors of a graph, by cuDNN's "unique identifier".
enum Uid : std::int64_t {
  kQ = 1,
  kK,
  kV,
  kOut,
  kStatistics,
  kDout,
  kDq,
  kDk,
  kDv,
  kSeed,
  kOffset,
  kQueryLengths,
  kKeyLengths
};

using Pointers = std::unordered_map<std::int64_t, void*>;
using TensorHandle = std::shared_ptr<fe::graph::Tensor_attributes>;

struct Plan {
  fe::graph::Graph graph;
  std::int64_t workspace_bytes = 0;
};

/// Describes tensors of `shape` to a graph: cuDNN counts dimensions (sample, head, token, number).
class Describer {
 public:
  Describer(fe::graph::Graph& graph, const PlanShape& shape) : graph_(graph), shape_(shape) {
    graph_.set_io_data_type(fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
  }

  /// q, out and their gradients.
  fe::graph::Tensor_attributes queries(Uid uid, std::int64_t row_stride) const {
    return rows(uid, shape_.heads, row_stride);
  }
  /// k, v and their gradients.
  fe::graph::Tensor_attributes keys(Uid uid, std::int64_t row_stride) const {
    return rows(uid, shape_.key_heads, row_stride);
  }
  fe::graph::Tensor_attributes statistics() const {
    return fe::graph::Tensor_attributes()
        .set_uid(kStatistics)
        .set_dim({shape_.samples, shape_.heads, shape_.sequence, 1})
        .set_stride({shape_.heads * shape_.sequence, shape_.sequence, 1, 1})
        .set_data_type(fe::DataType_t::FLOAT);
  }
  TensorHandle input(const fe::graph::Tensor_attributes& tensor) { return graph_.tensor(tensor); }
  /// `count` numbers that follow each other.
  TensorHandle numbers(Uid uid, std::int64_t count, fe::DataType_t type) {
    return graph_.tensor(fe::graph::Tensor_attributes()
                             .set_uid(uid)
                             .set_dim({count, 1, 1, 1})
                             .set_stride({1, 1, 1, 1})
                             .set_data_type(type));
  }
  static void output(const TensorHandle& tensor, const fe::graph::Tensor_attributes& as) {
    tensor->set_output(true)
        .set_uid(as.get_uid())
        .set_dim(as.get_dim())
        .set_stride(as.get_stride());
  }

  /// What both directions' attributes are told.
  template <typename Attributes>
  void set_common(Attributes& attributes) {
    attributes.set_causal_mask(shape_.causal)
        .set_attn_scale(1.0F / std::sqrt(static_cast<float>(shape_.size)));
    if (shape_.padded) {
      attributes.set_padding_mask(true)
          .set_seq_len_q(numbers(kQueryLengths, shape_.samples, fe::DataType_t::INT32))
          .set_seq_len_kv(numbers(kKeyLengths, shape_.samples, fe::DataType_t::INT32));
    }
    if (shape_.dropped > 0) {
      attributes.set_dropout(shape_.dropped, numbers(kSeed, 1, fe::DataType_t::INT64),
                             numbers(kOffset, 1, fe::DataType_t::INT64));
    }
  }

 private:
  fe::graph::Tensor_attributes rows(Uid uid, std::int64_t heads, std::int64_t row_stride) const {
    return fe::graph::Tensor_attributes()
        .set_uid(uid)
        .set_dim({shape_.samples, heads, shape_.sequence, shape_.size})
        .set_stride({shape_.sequence * row_stride, shape_.size, row_stride, 1});
  }

  fe::graph::Graph& graph_;
  const PlanShape& shape_;
};

void describe_forward(fe::graph::Graph& graph, const PlanShape& shape) {
  Describer describe(graph, shape);
  auto attributes = fe::graph::SDPA_attributes()
                        .set_name("attention_forward")
                        .set_generate_stats(true)
                        .set_implementation(fe::AttentionImplementation_t::COMPOSITE);
  describe.set_common(attributes);
  const RowStrides& rows = shape.strides;
  const auto [out, statistics] = graph.sdpa(describe.input(describe.queries(kQ, rows.q)),
                                            describe.input(describe.keys(kK, rows.k)),
                                            describe.input(describe.keys(kV, rows.v)), attributes);
  Describer::output(out, describe.queries(kOut, rows.out));
  Describer::output(statistics, describe.statistics());
  statistics->set_data_type(fe::DataType_t::FLOAT);
}

void describe_backward(fe::graph::Graph& graph, const PlanShape& shape) {
  Describer describe(graph, shape);
  auto attributes = fe::graph::SDPA_backward_attributes()
                        .set_name("attention_backward")
                        .set_deterministic_algorithm(true);
  describe.set_common(attributes);
  const RowStrides& rows = shape.strides;
  const auto [dq, dk, dv] = graph.sdpa_backward(
      describe.input(describe.queries(kQ, rows.q)), describe.input(describe.keys(kK, rows.k)),
      describe.input(describe.keys(kV, rows.v)), describe.input(describe.queries(kOut, rows.out)),
      describe.input(describe.queries(kDout, rows.dout)), describe.input(describe.statistics()),
      attributes);
  Describer::output(dq, describe.queries(kDq, rows.dq));
  Describer::output(dk, describe.keys(kDk, rows.dk));
  Describer::output(dv, describe.keys(kDv, rows.dv));
}

/// Null where cuDNN has no way.
template <typename Describe>
std::unique_ptr<Plan> make_plan(cudnnHandle_t library, Describe&& describe,
                                const PlanShape& shape) {
  auto plan = std::make_unique<Plan>();
  describe(plan->graph, shape);
  const bool built = plan->graph.build(library, {fe::HeurMode_t::A}).is_good() &&
                     plan->graph.get_workspace_size(plan->workspace_bytes).is_good();
  return built ? std::move(plan) : nullptr;
}

/// Whether cuDNN can read or write the heads of a matrix: rows lie on 16 bytes.
bool is_aligned(const Tensor& matrix) {
  constexpr std::int64_t kBytes = 16;
  return reinterpret_cast<std::uintptr_t>(matrix.first_element()) % kBytes == 0 &&
         matrix.row_stride() * size_of(DType::bfloat16) % kBytes == 0;
}

void expect_aligned(std::string_view name, const Tensor& gradient) {
  require(is_aligned(gradient), kWhere,
          "{} does not lie on 16 bytes, but what the forward took did: cuDNN needs both", name);
}

/// Never negative, as cuDNN wants it.
std::int64_t mask_seed(const AttentionShape& shape) {
  const Dropout& dropout = shape.dropout;
  const PhiloxBlock words = random_block({dropout.key, dropout.step, dropout.first_sample},
                                         static_cast<std::uint32_t>(shape.first_head));
  return (std::int64_t{words[1] & 0x7FFFFFFFU} << 32) | std::int64_t{words[0]};
}

}  // namespace

struct CudnnAttention::Plans {
  Handle<cudnnHandle_t, cudnnDestroy> library;
  std::map<PlanShape, std::unique_ptr<Plan>> forward;
  std::map<PlanShape, std::unique_ptr<Plan>> backward;

  /// Null where cuDNN has none.
  Plan* forward_plan(const PlanShape& shape) {
    const auto [found, is_new] = forward.try_emplace(shape);
    if (is_new) {
      found->second = make_plan(library.get(), describe_forward, shape);
    }
    return found->second.get();
  }
  Plan* backward_plan(const PlanShape& shape) {
    const auto [found, is_new] = backward.try_emplace(shape);
    if (is_new) {
      found->second = make_plan(library.get(), describe_backward, shape);
    }
    return found->second.get();
  }

  void run(Stream& stream, const AttentionInputs& inputs, Plan& plan, Pointers& pointers) {
    constexpr std::int64_t kMaskBytes = 256;  // two numbers, and what follows stays aligned
    const DeviceScope scope(stream.device().index);
    const auto workspace =
        stream.memory().allocate(kMaskBytes + plan.workspace_bytes, MemoryLabel::workspace);
    auto* const room = static_cast<std::byte*>(workspace->data());
    if (inputs.shape.dropout.probability > 0) {
      auto* const numbers = reinterpret_cast<std::int64_t*>(room);
      write_numbers(stream, kWhere, numbers, mask_seed(inputs.shape), 0);
      pointers[kSeed] = numbers;
      pointers[kOffset] = numbers + 1;
    }
    if (!inputs.lengths.empty()) {
      pointers[kQueryLengths] = pointers[kKeyLengths] = inputs.lengths.raw();
    }
    check(cudnnSetStream(library.get(), native_stream(stream)));
    auto status = plan.graph.execute(library.get(), pointers, room + kMaskBytes);
    require(status.is_good(), kWhere, "cuDNN: {}", status.get_message());
  }
};

std::string cudnn_version() {
  const std::size_t version = cudnnGetVersion();
  return fmt::format("{}.{}.{}", version / 10000, version % 10000 / 100, version % 100);
}

CudnnAttention::CudnnAttention(int device) : device_(device) {}
CudnnAttention::~CudnnAttention() = default;

bool CudnnAttention::takes(const AttentionInputs& inputs) {
  const std::int64_t size = inputs.shape.head_size;
  if (size % 8 != 0 || size > 256 || !inputs.keys.empty() || !is_aligned(inputs.q) ||
      !is_aligned(inputs.k) || !is_aligned(inputs.v) || !is_aligned(inputs.out)) {
    return false;
  }
  const DeviceScope scope(device_);
  if (plans_ == nullptr) {
    plans_ = std::make_unique<Plans>();
    plans_->library = make_handle<cudnnHandle_t, cudnnDestroy>(
        [](cudnnHandle_t* out) { check(cudnnCreate(out)); });
  }
  const RowStrides strides = strides_of(inputs);
  return plans_->forward_plan({inputs, strides}) != nullptr &&
         plans_->backward_plan({inputs, with_gradients(strides)}) != nullptr;
}

void CudnnAttention::forward(Stream& stream, const AttentionForward& args) {
  const AttentionInputs inputs = attention_inputs(args);
  Pointers pointers = {{kQ, args.q.first_element()},
                       {kK, args.k.first_element()},
                       {kV, args.v.first_element()},
                       {kOut, args.out.first_element()},
                       {kStatistics, args.lse.raw()}};
  plans_->run(stream, inputs, *plans_->forward_plan({inputs, strides_of(inputs)}), pointers);
}

void CudnnAttention::backward(Stream& stream, const AttentionBackward& args) {
  expect_aligned("dout", args.dout);
  expect_aligned("dq", args.dq);
  expect_aligned("dk", args.dk);
  expect_aligned("dv", args.dv);
  const AttentionInputs inputs = attention_inputs(args);
  Plan* const plan = plans_->backward_plan({inputs, strides_of(args)});
  require(plan != nullptr, kWhere,
          "cuDNN has no plan for these gradients: lay them as what they are the gradients of");
  Pointers pointers = {{kQ, args.q.first_element()},   {kK, args.k.first_element()},
                       {kV, args.v.first_element()},   {kOut, args.out.first_element()},
                       {kStatistics, args.lse.raw()},  {kDout, args.dout.first_element()},
                       {kDq, args.dq.first_element()}, {kDk, args.dk.first_element()},
                       {kDv, args.dv.first_element()}};
  plans_->run(stream, inputs, *plan, pointers);
}

}  // namespace stagecraft::cuda
