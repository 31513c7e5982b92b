#include "kernels/cuda/pinned_staging.h"

#include <algorithm>

#include "kernels/cuda/status.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kPlace = "copy_from_host";

}  // namespace

void PinnedStaging::copy(std::span<const std::byte> from, std::byte* to, cudaStream_t stream) {
  while (!from.empty()) {
    const std::size_t count = std::min(kPieceBytes, from.size());
    Piece& piece = next();
    std::copy_n(from.begin(), count, piece.bytes.get());
    check(cudaMemcpyAsync(to, piece.bytes.get(), count, cudaMemcpyHostToDevice, stream), kPlace);
    check(cudaEventRecord(piece.passed.get(), stream), kPlace);
    from = from.subspan(count);
    to += count;
  }
}

PinnedStaging::Piece& PinnedStaging::next() {
  Piece& piece = pieces_[next_];
  next_ = (next_ + 1) % kPieces;
  if (piece.bytes != nullptr) {
    check(cudaEventSynchronize(piece.passed.get()), kPlace);
    return piece;
  }
  void* bytes = nullptr;
  check(cudaHostAlloc(&bytes, kPieceBytes, cudaHostAllocDefault), kPlace);
  piece.bytes.reset(static_cast<std::byte*>(bytes));
  piece.passed = make_handle<cudaEvent_t, cudaEventDestroy>([](cudaEvent_t* out) {
    check(cudaEventCreateWithFlags(out, cudaEventDisableTiming), kPlace);
  });
  return piece;
}

}  // namespace stagecraft::cuda
