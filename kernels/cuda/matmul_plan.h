// How a matrix product is computed: chosen once per shape, by cublasLt's heuristics.
#pragma once

#include <cublasLt.h>

#include <map>

#include "kernels/cuda/handle.h"

namespace stagecraft::cuda {

/// What an algorithm is a function of. Beyond the shape only whether all operands lie on 16 bytes,
/// as tensors of their own and everything whose rows are multiples of four floats do.
struct MatmulShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  bool a_turned = false;
  bool b_turned = false;
  bool aligned = false;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 finds it in what the compiler writes
  auto operator<=>(const MatmulShape&) const = default;
};

using LayoutHandle = Handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using DescriptionHandle = Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;

/// c = op(a) op(b) in row-major memory is c^T = op(b)^T op(a)^T in cublasLt's column-major one:
/// `left` describes b and `right` a, each as it lies.
struct MatmulPlan {
  DescriptionHandle plain;
  DescriptionHandle with_bias;  // its pointer is set call by call; null where a is transposed
  LayoutHandle left;
  LayoutHandle right;
  LayoutHandle result;
  cublasLtMatmulAlgo_t algorithm{};
  std::int64_t workspace_bytes = 0;
};

/// The plans of one stream.
class MatmulPlans {
 public:
  /// float32 throughout ("pedantic"), or factors rounded to tf32.
  MatmulPlans(int device, bool tf32);

  /// Sizes are at least 1.
  const MatmulPlan& plan(const MatmulShape& shape);
  cublasLtHandle_t library() const { return library_.get(); }

 private:
  MatmulPlan make_plan(const MatmulShape& shape) const;
  DescriptionHandle describe(const MatmulShape& shape, cublasLtEpilogue_t epilogue) const;

  cublasComputeType_t compute_;
  Handle<cublasLtHandle_t, cublasLtDestroy> library_;
  std::map<MatmulShape, MatmulPlan> plans_;
};

}  // namespace stagecraft::cuda
