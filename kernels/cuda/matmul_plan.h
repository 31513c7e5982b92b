// How a matrix product is computed: chosen once per shape, by cublasLt's heuristics.
#pragma once

#include <cublasLt.h>

#include <map>

#include "kernels/cuda/handle.h"
#include "kernels/tensor.h"

namespace stagecraft::cuda {

/// What a step of cublasLt's joins to a product beside a bias.
enum class Epilogue : std::uint8_t { none, gelu, gelu_slope };

/// What an algorithm is a function of. Beyond the shape only whether all operands lie on 16 bytes,
/// as tensors of their own and everything whose rows are multiples of 16 bytes do.
struct MatmulShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  DType factors = DType::float32;
  DType result = DType::float32;
  bool a_turned = false;
  bool b_turned = false;
  bool aligned = false;
  Epilogue epilogue = Epilogue::none;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 finds it in what the compiler writes
  auto operator<=>(const MatmulShape&) const = default;
};

using LayoutHandle = Handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using DescriptionHandle = Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;

/// c = op(a) op(b) in row-major memory is c^T = op(b)^T op(a)^T in cublasLt's column-major one:
/// `left` describes b and `right` a, each as it lies.
struct MatmulPlan {
  DescriptionHandle plain;
  /// With a bias, or with what the shape's epilogue is; pointers are set call by call. Null where a
  /// is transposed.
  DescriptionHandle joined;
  LayoutHandle left;
  LayoutHandle right;
  LayoutHandle result;
  cublasLtMatmulAlgo_t algorithm{};
  std::int64_t workspace_bytes = 0;
  bool known = false;  // whether cublasLt has a way; always without an epilogue
};

/// The plans of one stream.
class MatmulPlans {
 public:
  /// Products of float32 factors are float32 throughout ("pedantic"), or round them to tf32; those
  /// of bfloat16 factors are added up in float32.
  MatmulPlans(int device, bool tf32);

  /// Sizes are at least 1.
  const MatmulPlan& plan(const MatmulShape& shape);
  cublasLtHandle_t library() const { return library_.get(); }

 private:
  MatmulPlan make_plan(const MatmulShape& shape) const;
  cublasComputeType_t compute(const MatmulShape& shape) const;
  DescriptionHandle describe(const MatmulShape& shape, cublasLtEpilogue_t epilogue) const;
  DescriptionHandle describe_joined(const MatmulShape& shape) const;

  cublasComputeType_t float32_;
  Handle<cublasLtHandle_t, cublasLtDestroy> library_;
  std::map<MatmulShape, MatmulPlan> plans_;
};

}  // namespace stagecraft::cuda
