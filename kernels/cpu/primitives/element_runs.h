// Element by element over tensors of one shape, of which matrices may be column ranges.
#pragma once

#include "kernels/core/tensor.h"
#include "kernels/cpu/runtime/parallel.h"

namespace stagecraft::cpu {

/// The elements of a tensor that holds T.
template <typename T>
struct Elements {
  explicit Elements(const Tensor& of) : tensor(of), data(static_cast<T*>(of.first_element())) {}
  T* row(std::int64_t index) const { return data + index * tensor.row_stride(); }

  const Tensor& tensor;
  T* data;
};

/// Calls f(count, pointer..) for runs of elements that follow each other in all tensors: parts of
/// one size where all are contiguous, else rows.
template <typename F, typename First, typename... Rest>
void for_each_run(Stream& stream, F&& f, const Elements<First>& first,
                  const Elements<Rest>&... rest) {
  constexpr std::int64_t kRange = 16384;
  if (first.tensor.contiguous() && (... && rest.tensor.contiguous())) {
    for_each_range(stream, first.tensor.elements(), kRange,
                   [&](std::int64_t begin, std::int64_t end) {
                     f(end - begin, first.data + begin, (rest.data + begin)...);
                   });
    return;
  }
  const std::int64_t columns = first.tensor.size(1);
  for_each_range(stream, first.tensor.size(0), rows_per_piece(columns),
                 [&](std::int64_t begin, std::int64_t end) {
                   for (std::int64_t row = begin; row < end; ++row) {
                     f(columns, first.row(row), rest.row(row)...);
                   }
                 });
}

}  // namespace stagecraft::cpu
