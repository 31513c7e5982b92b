// Memory that each thread of one operation works in, charged to the stream as workspace.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>

#include "kernels/core/stream.h"
#include "kernels/cpu/runtime/parallel.h"

namespace stagecraft::cpu {

/// Lays arrays behind one another, each on a cache line of its own. Without memory it only counts.
class ScratchLayout {
 public:
  explicit ScratchLayout(char* memory = nullptr) : memory_(memory) {}

  template <typename T>
  T* take(std::int64_t count) {
    constexpr std::int64_t kLine = 64;
    const std::int64_t begin = bytes_;
    bytes_ += (count * static_cast<std::int64_t>(sizeof(T)) + kLine - 1) / kLine * kLine;
    return memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + begin);
  }
  std::int64_t bytes() const { return bytes_; }

 private:
  char* memory_;
  std::int64_t bytes_ = 0;
};

/// For one call of for_each_piece(stream, pieces, ...).
class ThreadScratch {
 public:
  ThreadScratch(Stream& stream, std::int64_t pieces, std::int64_t bytes_per_thread)
      : threads_(std::min<std::int64_t>(threads_of(stream), pieces)),
        bytes_(bytes_per_thread),
        buffer_(stream.memory().allocate(threads_ * bytes_, MemoryLabel::workspace)) {}

  std::int64_t threads() const { return threads_; }
  /// The calling thread's number, below threads().
  std::int64_t thread() const { return threads_ > 1 ? omp_get_thread_num() : 0; }

  /// The calling thread's own memory, the same in every piece. Its contents are undefined before
  /// the thread's first.
  ScratchLayout mine() const {
    return ScratchLayout(static_cast<char*>(buffer_->data()) + thread() * bytes_);
  }

 private:
  std::int64_t threads_;
  std::int64_t bytes_;
  std::shared_ptr<Buffer> buffer_;
};

}  // namespace stagecraft::cpu
