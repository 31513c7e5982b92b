#include "kernels/cuda/runtime/matmul_plan.h"

#include <array>
#include <span>

#include "kernels/base/error.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kWhere = "matmul";
constexpr std::uint64_t kMaxWorkspace = 96 << 20;
constexpr int kMaxAlgorithms = 16;

using PreferenceHandle = Handle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>;

cudaDataType_t native(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return CUDA_R_32F;
    case DType::bfloat16:
      return CUDA_R_16BF;
    case DType::float64:
    case DType::int32:
      break;
  }
  throw Error(kWhere, fmt::format("no product is of {}", to_string(dtype)));
}

/// A matrix of `rows` x `columns` as cublasLt counts them, column by column.
struct Columns {
  DType dtype;
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t stride;  // elements from a column to the next
  std::int64_t next;    // and from a matrix of a batch to the next
};

template <typename T>
void set(const LayoutHandle& layout, cublasLtMatrixLayoutAttribute_t attribute, const T& value) {
  check(cublasLtMatrixLayoutSetAttribute(layout.get(), attribute, &value, sizeof(value)), kWhere);
}

LayoutHandle layout(const Columns& of, std::int64_t count) {
  auto made = make_handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>(
      [&](cublasLtMatrixLayout_t* out) {
        check(cublasLtMatrixLayoutCreate(out, native(of.dtype), static_cast<std::uint64_t>(of.rows),
                                         static_cast<std::uint64_t>(of.columns), of.stride),
              kWhere);
      });
  if (count > 1) {
    set(made, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(count));
    set(made, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, of.next);
  }
  return made;
}

Columns left_of(const MatmulShape& shape) {
  return {.dtype = shape.factors,
          .rows = shape.b_transposed ? shape.k : shape.n,
          .columns = shape.b_transposed ? shape.n : shape.k,
          .stride = shape.rows.b,
          .next = shape.next.b};
}

Columns right_of(const MatmulShape& shape) {
  return {.dtype = shape.factors,
          .rows = shape.a_transposed ? shape.m : shape.k,
          .columns = shape.a_transposed ? shape.k : shape.m,
          .stride = shape.rows.a,
          .next = shape.next.a};
}

Columns result_of(const MatmulShape& shape) {
  return {.dtype = shape.result,
          .rows = shape.n,
          .columns = shape.m,
          .stride = shape.rows.c,
          .next = shape.next.c};
}

/// The shape whose algorithm this one takes: of a batch its first product alone, of column ranges
/// contiguous operands. Contiguous operands have their own.
MatmulShape source_of(const MatmulShape& shape) {
  MatmulShape source = shape;
  if (shape.count > 1) {
    source.count = 1;
    source.next = {};
  } else {
    source.rows = {.a = shape.a_transposed ? shape.m : shape.k,
                   .b = shape.b_transposed ? shape.k : shape.n,
                   .c = shape.n,
                   .activation = shape.n};
  }
  return source;
}

template <typename T>
void set(const DescriptionHandle& description, cublasLtMatmulDescAttributes_t attribute,
         const T& value) {
  check(cublasLtMatmulDescSetAttribute(description.get(), attribute, &value, sizeof(value)),
        kWhere);
}

template <typename T>
void set(const PreferenceHandle& preference, cublasLtMatmulPreferenceAttributes_t attribute,
         const T& value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference.get(), attribute, &value, sizeof(value)),
        kWhere);
}

/// With a transposed a the sum runs over the rows of a micro-batch, to a small result: the gradient
/// of a weight. Only there K may be divided, into parts that are added in a step of their own, in
/// one order, without atomics. Elsewhere the order of a sum would depend on how many rows or
/// columns of the same matrix are computed beside it.
std::uint32_t allowed_reductions(const MatmulShape& shape) {
  return static_cast<std::uint32_t>(shape.a_transposed ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE
                                                       : CUBLASLT_REDUCTION_SCHEME_NONE);
}

PreferenceHandle preference(const MatmulShape& shape) {
  auto wanted = make_handle<cublasLtMatmulPreference_t, cublasLtMatmulPreferenceDestroy>(
      [](cublasLtMatmulPreference_t* out) { check(cublasLtMatmulPreferenceCreate(out), kWhere); });
  set(wanted, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kMaxWorkspace);
  set(wanted, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, allowed_reductions(shape));
  const auto alignment = static_cast<std::uint32_t>(shape.aligned ? 16 : size_of(shape.factors));
  for (const auto operand :
       {CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
        CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES}) {
    set(wanted, operand, alignment);
  }
  return wanted;
}

std::string described(const MatmulShape& shape) {
  return fmt::format("{} x {} x {} of {}{}{}", shape.m, shape.n, shape.k, to_string(shape.factors),
                     shape.a_transposed ? ", a transposed" : "",
                     shape.b_transposed ? ", b transposed" : "");
}

template <typename T>
T configured(const cublasLtMatmulAlgo_t& algorithm,
             cublasLtMatmulAlgoConfigAttributes_t attribute) {
  T value{};
  std::size_t written = 0;
  check(
      cublasLtMatmulAlgoConfigGetAttribute(&algorithm, attribute, &value, sizeof(value), &written),
      kWhere);
  return value;
}

bool divides_k(const cublasLtMatmulAlgo_t& algorithm) {
  return configured<std::int32_t>(algorithm, CUBLASLT_ALGO_CONFIG_SPLITK_NUM) > 1;
}

/// What was asked for is looked at again: a sum of another order would go unnoticed.
void check_reduction(const MatmulShape& shape, const cublasLtMatmulAlgo_t& algorithm) {
  const auto scheme = configured<std::uint32_t>(algorithm, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME);
  require(!divides_k(algorithm) || (scheme & ~allowed_reductions(shape)) == 0, kWhere,
          "cublasLt would divide K to compute {}", described(shape));
}

/// Products of bfloat16 factors, moved in 16 bytes, that take the device long enough for a choice
/// to matter.
bool worth_choosing(const MatmulShape& shape) {
  constexpr double kMin = 4e9;  // multiplications and additions, some ten microseconds
  return shape.factors == DType::bfloat16 && shape.aligned &&
         2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.n) *
                 static_cast<double>(shape.k) >=
             kMin;
}

/// What of cublasLt's answer may be chosen of: its first way, and others that add up K in one piece
/// as that does.
std::vector<MatmulAlgorithm> algorithms_of(const MatmulShape& shape,
                                           std::span<const cublasLtMatmulHeuristicResult_t> found) {
  std::vector<MatmulAlgorithm> algorithms;
  for (const cublasLtMatmulHeuristicResult_t& algorithm : found) {
    const bool first = algorithms.empty();
    if (first) {
      check_reduction(shape, algorithm.algo);
    }
    if (first || (algorithm.state == CUBLAS_STATUS_SUCCESS && !divides_k(algorithm.algo))) {
      algorithms.push_back({algorithm.algo, static_cast<std::int64_t>(algorithm.workspaceSize)});
    }
  }
  if (!algorithms.empty() && (!worth_choosing(shape) || divides_k(algorithms.front().algorithm))) {
    algorithms.resize(1);
  }
  return algorithms;
}

bool has_bias(cublasLtEpilogue_t epilogue) {
  return epilogue == CUBLASLT_EPILOGUE_BIAS || epilogue == CUBLASLT_EPILOGUE_GELU_AUX_BIAS;
}

/// Algorithms are asked for the product with what may be fused, which fewer of them can do.
cublasLtMatmulDesc_t asked(const MatmulPlan& plan) {
  return plan.fused == nullptr ? plan.plain.get() : plan.fused.get();
}

auto new_library(int device) {
  const DeviceScope scope(device);
  return make_handle<cublasLtHandle_t, cublasLtDestroy>(
      [](cublasLtHandle_t* out) { check(cublasLtCreate(out), "make_stream"); });
}

}  // namespace

MatmulPlans::MatmulPlans(int device, bool tf32)
    : float32_(tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F_PEDANTIC),
      library_(new_library(device)) {}

MatmulPlan& MatmulPlans::plan(const MatmulShape& shape) {
  const auto found = plans_.find(shape);
  return found != plans_.end() ? found->second
                               : plans_.emplace(shape, make_plan(shape)).first->second;
}

cublasComputeType_t MatmulPlans::compute(const MatmulShape& shape) const {
  return shape.factors == DType::bfloat16 ? CUBLAS_COMPUTE_32F : float32_;
}

DescriptionHandle MatmulPlans::describe(const MatmulShape& shape,
                                        cublasLtEpilogue_t epilogue) const {
  auto description =
      make_handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>([&](cublasLtMatmulDesc_t* out) {
        check(cublasLtMatmulDescCreate(out, compute(shape), CUDA_R_32F), kWhere);
      });
  set(description, CUBLASLT_MATMUL_DESC_TRANSA, shape.b_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(description, CUBLASLT_MATMUL_DESC_TRANSB, shape.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N);
  set(description, CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
  if (shape.count > 1 && has_bias(epilogue)) {
    set(description, CUBLASLT_MATMUL_DESC_BIAS_BATCH_STRIDE, shape.n);
  }
  return description;
}

DescriptionHandle MatmulPlans::describe_fused(const MatmulShape& shape) const {
  switch (shape.epilogue) {
    case Epilogue::none:
      return takes_bias(shape) ? describe(shape, CUBLASLT_EPILOGUE_BIAS) : nullptr;
    case Epilogue::bias:
      return describe(shape, CUBLASLT_EPILOGUE_BIAS);
    case Epilogue::gelu:
    case Epilogue::gelu_slope:
      break;
  }
  auto description =
      describe(shape, shape.epilogue == Epilogue::gelu ? CUBLASLT_EPILOGUE_GELU_AUX_BIAS
                                                       : CUBLASLT_EPILOGUE_DGELU);
  set(description, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, shape.rows.activation);
  if (shape.count > 1) {
    set(description, CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_BATCH_STRIDE, shape.next.activation);
  }
  return description;
}

MatmulPlan MatmulPlans::describe_plan(const MatmulShape& shape) const {
  return {.plain = describe(shape, CUBLASLT_EPILOGUE_DEFAULT),
          .fused = describe_fused(shape),
          .left = layout(left_of(shape), shape.count),
          .right = layout(right_of(shape), shape.count),
          .result = layout(result_of(shape), shape.count),
          .algorithms = {},
          .chosen = false};
}

MatmulPlan MatmulPlans::make_plan(const MatmulShape& shape) {
  MatmulPlan made = describe_plan(shape);
  const MatmulShape source = source_of(shape);
  if (source != shape) {
    take_algorithms(plan(source), made);
  }
  const bool must_have_one = shape.epilogue == Epilogue::none && shape.count == 1;
  if (source == shape || (made.algorithms.empty() && must_have_one)) {
    made.algorithms = ask(shape, made);
  }
  require(!made.algorithms.empty() || !must_have_one, kWhere, "cublasLt knows no way to compute {}",
          described(shape));
  return made;
}

std::vector<MatmulAlgorithm> MatmulPlans::ask(const MatmulShape& shape,
                                              const MatmulPlan& plan) const {
  std::array<cublasLtMatmulHeuristicResult_t, kMaxAlgorithms> found{};
  int count = 0;
  const cublasStatus_t answer = cublasLtMatmulAlgoGetHeuristic(
      library(), asked(plan), plan.left.get(), plan.right.get(), plan.result.get(),
      plan.result.get(), preference(shape).get(), kMaxAlgorithms, found.data(), &count);
  return answer == CUBLAS_STATUS_SUCCESS
             ? algorithms_of(shape, std::span(found).first(static_cast<std::size_t>(count)))
             : std::vector<MatmulAlgorithm>();
}

/// Those that take how the operands of `plan` lie; none if the first does not, which the others
/// have to equal.
void MatmulPlans::take_algorithms(const MatmulPlan& from, MatmulPlan& plan) const {
  for (const MatmulAlgorithm& algorithm : from.algorithms) {
    cublasLtMatmulHeuristicResult_t found{};
    const cublasStatus_t answer =
        cublasLtMatmulAlgoCheck(library(), asked(plan), plan.left.get(), plan.right.get(),
                                plan.result.get(), plan.result.get(), &algorithm.algorithm, &found);
    if (answer == CUBLAS_STATUS_SUCCESS) {
      plan.algorithms.push_back(
          {algorithm.algorithm, static_cast<std::int64_t>(found.workspaceSize)});
    } else if (plan.algorithms.empty()) {
      return;
    }
  }
  plan.chosen = from.chosen;
}

}  // namespace stagecraft::cuda
