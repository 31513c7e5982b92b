// The one file that includes cuDNN's frontend, whose headers take minutes to compile.
#include "kernels/cuda/runtime/cudnn_attention.h"

#include <cudnn_frontend.h>

#include <array>
#include <cmath>
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

/// What a plan is a function of.
struct PlanShape {
  explicit PlanShape(const AttentionShape& shape)
      : samples(shape.samples),
        sequence(shape.sequence),
        heads(shape.heads),
        size(shape.head_size),
        dropped(shape.dropout.probability) {}
  std::int64_t samples, sequence, heads, size;
  float dropped;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 finds it in what the compiler writes
  auto operator<=>(const PlanShape&) const = default;
};

/// The tensors of a graph, by cuDNN's "unique identifier".
enum Uid : std::int64_t { kQ = 1, kK, kV, kOut, kStatistics, kDout, kDq, kDk, kDv, kSeed, kOffset };

using Pointers = std::unordered_map<std::int64_t, void*>;
using TensorHandle = std::shared_ptr<fe::graph::Tensor_attributes>;

struct Plan {
  fe::graph::Graph graph;
  std::int64_t workspace_bytes = 0;
};

struct PlanPair {
  std::unique_ptr<Plan> forward;
  std::unique_ptr<Plan> backward;
};

/// Describes tensors of `shape` to a graph: cuDNN counts dimensions (sample, head, token, number).
class Describer {
 public:
  Describer(fe::graph::Graph& graph, const PlanShape& shape) : graph_(graph), shape_(shape) {
    graph_.set_io_data_type(fe::DataType_t::BFLOAT16)
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
  }

  /// `parts` vectors of all heads follow each other in a token's row: 3 in qkv, 1 in out.
  fe::graph::Tensor_attributes heads(Uid uid, std::int64_t parts) const {
    const std::int64_t row = parts * shape_.heads * shape_.size;
    return fe::graph::Tensor_attributes()
        .set_uid(uid)
        .set_dim({shape_.samples, shape_.heads, shape_.sequence, shape_.size})
        .set_stride({shape_.sequence * row, shape_.size, row, 1});
  }
  fe::graph::Tensor_attributes statistics() const {
    return fe::graph::Tensor_attributes()
        .set_uid(kStatistics)
        .set_dim({shape_.samples, shape_.heads, shape_.sequence, 1})
        .set_stride({shape_.heads * shape_.sequence, shape_.sequence, 1, 1})
        .set_data_type(fe::DataType_t::FLOAT);
  }
  TensorHandle input(const fe::graph::Tensor_attributes& tensor) { return graph_.tensor(tensor); }
  TensorHandle number(Uid uid) {
    return graph_.tensor(fe::graph::Tensor_attributes()
                             .set_uid(uid)
                             .set_dim({1, 1, 1, 1})
                             .set_stride({1, 1, 1, 1})
                             .set_data_type(fe::DataType_t::INT64));
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
    attributes.set_causal_mask(true).set_attn_scale(1.0F /
                                                    std::sqrt(static_cast<float>(shape_.size)));
    if (shape_.dropped > 0) {
      attributes.set_dropout(shape_.dropped, number(kSeed), number(kOffset));
    }
  }

 private:
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
  const auto [out, statistics] =
      graph.sdpa(describe.input(describe.heads(kQ, 3)), describe.input(describe.heads(kK, 3)),
                 describe.input(describe.heads(kV, 3)), attributes);
  Describer::output(out, describe.heads(kOut, 1));
  Describer::output(statistics, describe.statistics());
  statistics->set_data_type(fe::DataType_t::FLOAT);
}

void describe_backward(fe::graph::Graph& graph, const PlanShape& shape) {
  Describer describe(graph, shape);
  auto attributes = fe::graph::SDPA_backward_attributes()
                        .set_name("attention_backward")
                        .set_deterministic_algorithm(true);
  describe.set_common(attributes);
  const auto [dq, dk, dv] = graph.sdpa_backward(
      describe.input(describe.heads(kQ, 3)), describe.input(describe.heads(kK, 3)),
      describe.input(describe.heads(kV, 3)), describe.input(describe.heads(kOut, 1)),
      describe.input(describe.heads(kDout, 1)), describe.input(describe.statistics()), attributes);
  Describer::output(dq, describe.heads(kDq, 3));
  Describer::output(dk, describe.heads(kDk, 3));
  Describer::output(dv, describe.heads(kDv, 3));
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

/// Where q, k and v of all heads begin in qkv or its gradient.
void add_parts(Pointers& pointers, const AttentionShape& shape, const Tensor& qkv,
               const std::array<Uid, 3>& uids) {
  auto* const first = static_cast<char*>(qkv.raw());
  const std::int64_t part = shape.heads * shape.head_size * size_of(DType::bfloat16);
  for (std::size_t i = 0; i < uids.size(); ++i) {
    pointers[uids[i]] = first + static_cast<std::int64_t>(i) * part;
  }
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
  std::map<PlanShape, PlanPair> by_shape;

  void run(Stream& stream, const AttentionShape& shape, Plan& plan, Pointers& pointers) {
    constexpr std::int64_t kMaskBytes = 256;  // two numbers, and what follows stays aligned
    const DeviceScope scope(stream.device().index);
    const auto workspace =
        stream.memory().allocate(kMaskBytes + plan.workspace_bytes, MemoryLabel::workspace);
    auto* const room = static_cast<std::byte*>(workspace->data());
    if (shape.dropout.probability > 0) {
      auto* const numbers = reinterpret_cast<std::int64_t*>(room);
      write_numbers(stream, kWhere, numbers, mask_seed(shape), 0);
      pointers[kSeed] = numbers;
      pointers[kOffset] = numbers + 1;
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

bool CudnnAttention::takes(const AttentionShape& shape) {
  if (shape.head_size % 8 != 0 || shape.head_size > 256) {
    return false;
  }
  const DeviceScope scope(device_);
  if (plans_ == nullptr) {
    plans_ = std::make_unique<Plans>();
    plans_->library = make_handle<cudnnHandle_t, cudnnDestroy>(
        [](cudnnHandle_t* out) { check(cudnnCreate(out)); });
  }
  const PlanShape wanted(shape);
  auto found = plans_->by_shape.find(wanted);
  if (found == plans_->by_shape.end()) {
    PlanPair pair{make_plan(plans_->library.get(), describe_forward, wanted),
                  make_plan(plans_->library.get(), describe_backward, wanted)};
    found = plans_->by_shape.emplace(wanted, std::move(pair)).first;
  }
  return found->second.forward != nullptr && found->second.backward != nullptr;
}

void CudnnAttention::forward(Stream& stream, const AttentionForward& args) {
  Pointers pointers = {{kOut, args.out.raw()}, {kStatistics, args.lse.raw()}};
  add_parts(pointers, args.shape, args.qkv, {kQ, kK, kV});
  plans_->run(stream, args.shape, *plans_->by_shape.at(PlanShape(args.shape)).forward, pointers);
}

void CudnnAttention::backward(Stream& stream, const AttentionBackward& args) {
  Pointers pointers = {
      {kOut, args.out.raw()}, {kStatistics, args.lse.raw()}, {kDout, args.dout.raw()}};
  add_parts(pointers, args.shape, args.qkv, {kQ, kK, kV});
  add_parts(pointers, args.shape, args.dqkv, {kDq, kDk, kDv});
  plans_->run(stream, args.shape, *plans_->by_shape.at(PlanShape(args.shape)).backward, pointers);
}

}  // namespace stagecraft::cuda
