#include "kernels/ops/tensor_hash.h"

#include <atomic>
#include <bit>

#include "kernels/base/element_hash.h"
#include "kernels/cpu/runtime/parallel.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft::cpu {
namespace {

constexpr std::int64_t kRange = 16384;  // elements

/// Of consecutive elements with one key.
std::uint64_t run_hash(std::uint64_t key, std::uint64_t index, const float* x, std::int64_t count) {
  std::uint64_t hash = 0;
#pragma omp simd reduction(+ : hash)
  for (std::int64_t i = 0; i < count; ++i) {
    hash += mixed(
        key + ((index + static_cast<std::uint64_t>(i)) << 32 | std::bit_cast<std::uint32_t>(x[i])));
  }
  return hash;
}

/// Of `count` elements of a row, from `index` of the whole tensor on: in runs of one key.
std::uint64_t row_hash(std::uint64_t key, std::int64_t index, const float* x, std::int64_t count) {
  constexpr std::int64_t kOneKey = std::int64_t{1} << 32;  // elements
  std::uint64_t hash = 0;
  while (count > 0) {
    const std::int64_t run = std::min(count, kOneKey - index % kOneKey);
    const auto first = static_cast<std::uint64_t>(index);
    hash += run_hash(key_of_elements(key, first), first, x, run);
    index += run;
    x += run;
    count -= run;
  }
  return hash;
}

/// Of elements begin .. end - 1 of a part.
std::uint64_t range_hash(const HashedRows& part, const float* x, std::int64_t begin,
                         std::int64_t end) {
  std::uint64_t hash = 0;
  while (begin < end) {
    const std::int64_t row = begin / part.columns;
    const std::int64_t column = begin % part.columns;
    const std::int64_t count = std::min(end - begin, part.columns - column);
    hash += row_hash(part.key, part.first + row * part.whole_stride + column,
                     x + row * part.stride + column, count);
    begin += count;
  }
  return hash;
}

}  // namespace

void tensor_hashes(Stream& stream, const TensorHashes& args) {
  dispatch(stream, FillZero{args.out});
  auto* out = static_cast<std::uint64_t*>(args.out.raw());
  for (std::size_t i = 0; i < args.x.size(); ++i) {
    const HashedRows& part = args.rows[i];
    const auto* x = args.x[i].data<float>();
    for_each_range(stream, part.rows * part.columns, kRange,
                   [&](std::int64_t begin, std::int64_t end) {
                     std::atomic_ref(out[part.hash]) += range_hash(part, x, begin, end);
                   });
  }
}

}  // namespace stagecraft::cpu
