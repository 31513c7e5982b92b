// How the CPU's operations use threads: work is cut into pieces by its shape alone, and each piece
// is computed by one thread. Which thread takes which piece changes no bit.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "kernels/core/stream.h"

namespace stagecraft::cpu {

/// How many threads operations on this stream may use.
int threads_of(Stream& stream);

/// How many parts of `part` elements cover `size`.
inline std::int64_t parts_of(std::int64_t size, std::int64_t part) {
  return (size + part - 1) / part;
}

/// Calls f(piece) for piece = 0 .. pieces-1, on up to threads_of(stream) threads. f may not throw.
template <typename F>
void for_each_piece(Stream& stream, std::int64_t pieces, F&& f) {
  const int threads = static_cast<int>(std::min<std::int64_t>(threads_of(stream), pieces));
  if (threads <= 1) {
    for (std::int64_t piece = 0; piece < pieces; ++piece) {
      f(piece);
    }
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
  for (std::int64_t piece = 0; piece < pieces; ++piece) {
    f(piece);
  }
}

/// Calls f(begin, end) for consecutive ranges of `block` elements that cover 0 .. count-1.
template <typename F>
void for_each_range(Stream& stream, std::int64_t count, std::int64_t block, F&& f) {
  for_each_piece(stream, parts_of(count, block), [&](std::int64_t piece) {
    f(piece * block, std::min(count, (piece + 1) * block));
  });
}

/// How many rows of `columns` elements make a piece of row-wise work: a few microseconds' worth.
inline std::int64_t rows_per_piece(std::int64_t columns) {
  constexpr std::int64_t kElements = 16384;
  return std::max<std::int64_t>(1, kElements / std::max<std::int64_t>(1, columns));
}

}  // namespace stagecraft::cpu
