#include "tensor_parallel/comm/mpi/combine_parts.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/base/error.h"
#include "tensor_parallel/sharding/reduction_tree.h"

namespace stagecraft::mpi {
namespace {

/// Elements combined at a time: the partial sums of a block stay in the first-level cache.
constexpr std::int64_t kBlock = 2048;

struct Sum {
  template <typename T>
  T operator()(T a, T b) const {
    return a + b;
  }
  BFloat16 operator()(BFloat16 a, BFloat16 b) const {
    return to_bfloat16(to_float(a) + to_float(b));
  }
};

/// As the maximum in kernels/: b if neither is larger.
struct Maximum {
  template <typename T>
  T operator()(T a, T b) const {
    return a > b ? a : b;
  }
};

/// c may be a.
template <typename T, typename Op>
void combine(const T* a, const T* b, T* c, std::int64_t count) {
#pragma GCC ivdep
  for (std::int64_t i = 0; i < count; ++i) {
    c[i] = Op()(a[i], b[i]);
  }
}

template <typename T, typename Op>
void combine_all(std::span<const std::byte* const> parts, std::int64_t elements, std::byte* where,
                 std::byte* copy) {
  T* out = reinterpret_cast<T*>(where);
  const std::vector<TreeNode> tree = reduction_tree(static_cast<int>(parts.size()));
  const std::int64_t block = std::min(kBlock, elements);
  std::vector<T> sums(parts.size() > 2 ? parts.size() * static_cast<std::size_t>(block) : 0);
  std::vector<const T*> now(parts.size());
  for (std::int64_t begin = 0; begin < elements; begin += block) {
    const std::int64_t count = std::min(block, elements - begin);
    for (std::size_t part = 0; part < parts.size(); ++part) {
      now[part] = reinterpret_cast<const T*>(parts[part]) + begin;
    }
    if (tree.empty()) {
      std::copy_n(now[0], count, out + begin);
    }
    for (const auto [into, from] : tree) {
      T* sum = into == 0 ? out + begin : sums.data() + into * block;
      combine<T, Op>(now[static_cast<std::size_t>(into)], now[static_cast<std::size_t>(from)], sum,
                     count);
      now[static_cast<std::size_t>(into)] = sum;
    }
    if (copy != nullptr) {
      std::memcpy(copy + begin * static_cast<std::int64_t>(sizeof(T)), out + begin,
                  static_cast<std::size_t>(count) * sizeof(T));
    }
  }
}

}  // namespace

void combine_parts(ReduceOp op, DType dtype, std::span<const std::byte* const> parts,
                   std::int64_t elements, std::byte* out, std::byte* copy) {
  switch (dtype) {
    case DType::float64:
      combine_all<double, Sum>(parts, elements, out, copy);
      return;
    case DType::bfloat16:
      combine_all<BFloat16, Sum>(parts, elements, out, copy);
      return;
    case DType::float32:
      if (op == ReduceOp::sum) {
        combine_all<float, Sum>(parts, elements, out, copy);
      } else {
        combine_all<float, Maximum>(parts, elements, out, copy);
      }
      return;
    case DType::int32:
      break;
  }
  throw Error("combine_parts", fmt::format("{} is not reduced", to_string(dtype)));
}

}  // namespace stagecraft::mpi
