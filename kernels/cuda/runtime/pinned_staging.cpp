#include "kernels/cuda/runtime/pinned_staging.h"

#include <algorithm>

#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kWhere = "copy_from_host";

}  // namespace

void PinnedStaging::copy(std::span<const std::byte> from, std::byte* to, cudaStream_t stream) {
  while (!from.empty()) {
    const std::size_t count = std::min(kPieceBytes, from.size());
    Piece& piece = next();
    std::copy_n(from.begin(), count, piece.bytes);
    check(cudaMemcpyAsync(to, piece.bytes, count, cudaMemcpyHostToDevice, stream), kWhere);
    check(cudaEventRecord(piece.passed.get(), stream), kWhere);
    from = from.subspan(count);
    to += count;
  }
}

void PinnedStaging::make_pieces() {
  void* bytes = nullptr;
  check(cudaHostAlloc(&bytes, kPieces * kPieceBytes, cudaHostAllocDefault), kWhere);
  memory_.reset(static_cast<std::byte*>(bytes));
  for (std::size_t i = 0; i < kPieces; ++i) {
    pieces_.at(i).bytes = memory_.get() + i * kPieceBytes;
    pieces_.at(i).passed = make_handle<cudaEvent_t, cudaEventDestroy>([](cudaEvent_t* out) {
      check(cudaEventCreateWithFlags(out, cudaEventDisableTiming), kWhere);
    });
  }
}

/// An event that was never recorded has passed.
PinnedStaging::Piece& PinnedStaging::next() {
  if (memory_ == nullptr) {
    make_pieces();
  }
  Piece& piece = pieces_[next_];
  next_ = (next_ + 1) % kPieces;
  if (cudaEventQuery(piece.passed.get()) != cudaSuccess) {
    cudaGetLastError();  // "not ready" is no error
    ++waits_;
    check(cudaEventSynchronize(piece.passed.get()), kWhere);
  }
  return piece;
}

}  // namespace stagecraft::cuda
