// Shared by the tables of bench_device: sizes, tensors of random numbers, and time measurement.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <limits>
#include <span>
#include <vector>

#include "kernels/ops/adamw.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/cross_entropy.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/host_copy.h"
#include "kernels/ops/matmul.h"
#include "kernels/ops/norm.h"
#include "kernels/ops/reduce.h"

namespace stagecraft::bench {

inline constexpr std::int64_t kSequence = 1024;
inline constexpr std::int64_t kVocabulary = 50304;

/// The sizes of a transformer's micro-batch.
struct Sizes {
  std::int64_t rows;
  std::int64_t hidden;
  std::int64_t heads;
  std::int64_t wide() const { return 4 * hidden; }
};

/// The best of several batches of calls. Each batch is synchronised once at its end, so the host's
/// issue time is hidden if it is shorter than the device's time.
template <typename F>
double best_seconds(Stream& stream, F&& call) {
  using Clock = std::chrono::steady_clock;
  constexpr int kCalls = 10;
  call();
  stream.synchronize();
  double best = std::numeric_limits<double>::infinity();
  const auto end = Clock::now() + std::chrono::milliseconds(300);
  int batches = 0;
  do {
    const auto begin = Clock::now();
    for (int i = 0; i < kCalls; ++i) {
      call();
    }
    stream.synchronize();
    best = std::min(best, std::chrono::duration<double>(Clock::now() - begin).count() / kCalls);
  } while (++batches < 3 || Clock::now() < end);
  return best;
}

/// Creates tensors of normal random numbers from one block: tensor() in `dtype`, number() in
/// float32.
class Source {
 public:
  Source(Stream& stream, DType dtype)
      : stream_(stream),
        dtype_(dtype),
        block_(stream.memory(), {kBlock}, DType::float32, MemoryLabel::workspace) {
    std::vector<float> numbers(kBlock);
    fill_normal({.key = random_key(1, "bench")}, 0, kBlock, 1, numbers.data());
    copy_from_host(stream, std::span<const float>(numbers), block_);
  }

  DType dtype() const { return dtype_; }
  Tensor tensor(const Shape& shape) const { return made(shape, dtype_); }
  Tensor number(const Shape& shape) const { return made(shape, DType::float32); }

  /// Squares, for second moments.
  Tensor ones_like(const Tensor& other) const {
    Tensor made(stream_.memory(), other.shape(), DType::float32, MemoryLabel::workspace);
    const std::vector<float> ones(static_cast<std::size_t>(made.elements()), 1.0F);
    copy_from_host(stream_, std::span<const float>(ones), made);
    return made;
  }

  Tensor tokens(std::int64_t count, std::int64_t vocabulary) const {
    return on_device(drawn_tokens(count, vocabulary, false), {count});
  }
  /// The token order for token_embedding_backward. `uneven`: the frequencies differ like those of
  /// the bytes of a text; of 256 tokens one has a sixth of all rows.
  Tensor order_of_tokens(std::int64_t count, std::int64_t vocabulary, bool uneven) const {
    return on_device(token_order(drawn_tokens(count, vocabulary, uneven)), {2, count});
  }

 private:
  static constexpr std::int64_t kBlock = 1 << 20;

  static std::vector<std::int32_t> drawn_tokens(std::int64_t count, std::int64_t vocabulary,
                                                bool uneven) {
    std::vector<std::int32_t> drawn(static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      const double uniform = philox(7, {static_cast<std::uint32_t>(i), 0, 0, 0})[0] * 0x1p-32;
      const double at = uneven ? uniform * uniform * uniform : uniform;
      drawn[i] = static_cast<std::int32_t>(at * static_cast<double>(vocabulary));
    }
    return drawn;
  }

  Tensor on_device(const std::vector<std::int32_t>& numbers, const Shape& shape) const {
    Tensor made(stream_.memory(), shape, DType::int32, MemoryLabel::workspace);
    copy_from_host(stream_, std::span<const std::int32_t>(numbers), made);
    return made;
  }

  Tensor made(const Shape& shape, DType dtype) const {
    Tensor tensor(stream_.memory(), shape, dtype, MemoryLabel::workspace);
    const Tensor flat = tensor.view({tensor.elements()});
    for (std::int64_t at = 0; at < flat.elements(); at += kBlock) {
      const std::int64_t count = std::min<std::int64_t>(kBlock, flat.elements() - at);
      convert(stream_, {block_.rows(0, count), flat.rows(at, at + count)});
    }
    return tensor;
  }

  Stream& stream_;
  DType dtype_;
  Tensor block_;
};

/// Print the tables of one device and dtype: memory-bound operations relative to a copy, products
/// and attention relative to `best`, the TFLOP/s of the best product.
void memory_bound(Stream& stream, const Source& source, const Sizes& sizes);
void products(Stream& stream, const Source& source, const Sizes& sizes, double best);
void attention(Stream& stream, const Source& source, const Sizes& sizes, double best);

/// TFLOP/s of a product of size x size x size.
double best_product(Stream& stream, const Source& source, std::int64_t size);
/// Prints whether a row's bits depend on the number of rows.
void bits(Stream& stream, const Source& source, const Sizes& sizes);

}  // namespace stagecraft::bench
