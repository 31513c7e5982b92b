// How a matrix product may be computed, asked of cublasLt once per shape.
#pragma once

#include <cublasLt.h>

#include <map>
#include <vector>

#include "kernels/core/tensor.h"
#include "kernels/cuda/runtime/handle.h"

namespace stagecraft::cuda {

/// What is fused with a product of bfloat16 factors. To one of float32 factors a bias may be fused
/// by the same algorithm, so that it changes no bit.
enum class Epilogue : std::uint8_t { none, bias, gelu, gelu_slope };

/// Distances in elements; `activation` is what GELU reads or writes beside c.
struct MatmulStrides {
  std::int64_t a = 0;
  std::int64_t b = 0;
  std::int64_t c = 0;
  std::int64_t activation = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 finds it in what the compiler writes
  auto operator<=>(const MatmulStrides&) const = default;
};

/// What an algorithm is a function of: the shape, and whether all operands lie on 16 bytes, as
/// tensors of their own and everything whose rows are multiples of 16 bytes do. Column ranges and
/// products of a batch take the algorithm of contiguous operands and of one product, so that they
/// have its bits; their plans differ in how the operands lie.
struct MatmulShape {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  DType factors = DType::float32;
  DType result = DType::float32;
  bool a_transposed = false;
  bool b_transposed = false;
  bool aligned = false;
  Epilogue epilogue = Epilogue::none;
  MatmulStrides rows;      // from a row to the next
  std::int64_t count = 1;  // products of a batch
  MatmulStrides next;      // of a batch: from a product to the next; biases lie n apart
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 finds it in what the compiler writes
  auto operator<=>(const MatmulShape&) const = default;
};

/// Whether the algorithm of a product without an epilogue adds a bias, too.
inline bool takes_bias(const MatmulShape& shape) {
  return shape.factors == DType::float32 && !shape.a_transposed;
}

using LayoutHandle = Handle<cublasLtMatrixLayout_t, cublasLtMatrixLayoutDestroy>;
using DescriptionHandle = Handle<cublasLtMatmulDesc_t, cublasLtMatmulDescDestroy>;

/// One of cublasLt's ways to compute a product.
struct MatmulAlgorithm {
  cublasLtMatmulAlgo_t algorithm{};
  std::int64_t workspace_bytes = 0;
};

/// c = op(a) op(b) in row-major memory is c^T = op(b)^T op(a)^T in cublasLt's column-major one:
/// `left` describes b and `right` a, each as it lies.
struct MatmulPlan {
  DescriptionHandle plain;
  /// With the shape's epilogue or, of float32 factors, a bias; pointers are set call by call. Null
  /// where nothing can be fused.
  DescriptionHandle fused;
  LayoutHandle left;
  LayoutHandle right;
  LayoutHandle result;
  /// In the order of cublasLt's heuristics; several until one of them is chosen
  /// (matmul_algorithm.h). None where it knows no way to fuse the epilogue, or to compute a batch
  /// with the bits of its products.
  std::vector<MatmulAlgorithm> algorithms;
  bool chosen = false;  // the one that is left was chosen by the clock
};

/// The plans of one stream.
class MatmulPlans {
 public:
  /// Products of float32 factors are float32 throughout ("pedantic"), or round them to tf32; those
  /// of bfloat16 factors are added up in float32.
  MatmulPlans(int device, bool tf32);

  /// Sizes are at least 1.
  MatmulPlan& plan(const MatmulShape& shape);
  bool has(const MatmulShape& shape) const { return plans_.contains(shape); }
  cublasLtHandle_t library() const { return library_.get(); }

 private:
  MatmulPlan make_plan(const MatmulShape& shape);
  MatmulPlan describe_plan(const MatmulShape& shape) const;
  std::vector<MatmulAlgorithm> ask(const MatmulShape& shape, const MatmulPlan& plan) const;
  void take_algorithms(const MatmulPlan& from, MatmulPlan& plan) const;
  cublasComputeType_t compute(const MatmulShape& shape) const;
  DescriptionHandle describe(const MatmulShape& shape, cublasLtEpilogue_t epilogue) const;
  DescriptionHandle describe_fused(const MatmulShape& shape) const;

  cublasComputeType_t float32_;
  Handle<cublasLtHandle_t, cublasLtDestroy> library_;
  std::map<MatmulShape, MatmulPlan> plans_;
};

}  // namespace stagecraft::cuda
