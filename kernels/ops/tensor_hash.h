// Hashes of whole tensors that are the same however the tensors are cut: sums of numbers of their
// elements (base/element_hash.h) modulo 2^64, which takes its parts in any order.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"

namespace stagecraft {

/// Where the elements of a part lie, in its memory and in the whole tensor: row by row.
struct HashedRows {
  std::int64_t hash = 0;  // the row of TensorHashes::out that they are added to
  std::uint64_t key = 0;  // of the whole tensor
  std::int64_t rows = 0;  // rows * columns < 2^32
  std::int64_t columns = 0;
  std::int64_t stride = 0;        // elements of memory from one row to the next
  std::int64_t first = 0;         // index of the first element in the whole tensor
  std::int64_t whole_stride = 0;  // elements of the whole tensor from one row to the next
};

/// out[h] = sum of element_hash(key, index, bits) over the elements of all parts of hash h. A hash
/// without a part is 0.
struct TensorHashes {
  std::vector<Tensor> x;         // float32: from a part's first element to its last, or more
  std::vector<HashedRows> rows;  // of each
  Tensor out;                    // [hashes, 2] int32: the lower and the upper half of each
};
template <>
inline constexpr auto kTensors<TensorHashes> = std::tuple(reads(&TensorHashes::x),
                                                          writes(&TensorHashes::out));
void tensor_hashes(Stream& stream, const TensorHashes& args);

/// Elements between the rows are not read.
inline std::int64_t bytes_of(const TensorHashes& args) {
  std::int64_t bytes = args.out.bytes();
  for (const HashedRows& part : args.rows) {
    bytes += part.rows * part.columns * size_of(DType::float32);
  }
  return bytes;
}

}  // namespace stagecraft
