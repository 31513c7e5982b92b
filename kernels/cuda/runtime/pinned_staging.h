// Pinned memory that bytes of the host pass through on their way to the device: a copy from
// ordinary memory would make the host wait for the stream.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "kernels/cuda/runtime/handle.h"

namespace stagecraft::cuda {

/// A ring of pieces, all made when one is first needed. The host waits only where all of them are
/// still on their way.
class PinnedStaging {
 public:
  /// Takes the bytes of `from`; they arrive at `to`, on the device, in the order of `stream`. One
  /// staging serves one stream.
  void copy(std::span<const std::byte> from, std::byte* to, cudaStream_t stream);

  std::int64_t waits() const { return waits_; }
  std::int64_t allocations() const { return memory_ == nullptr ? 0 : 1; }

 private:
  static constexpr std::size_t kPieces = 16;
  static constexpr std::size_t kPieceBytes = 1 << 20;

  struct Piece {
    std::byte* bytes = nullptr;
    Handle<cudaEvent_t, cudaEventDestroy> passed;
  };

  void make_pieces();
  Piece& next();

  Handle<std::byte*, cudaFreeHost> memory_;
  std::array<Piece, kPieces> pieces_;
  std::size_t next_ = 0;
  std::int64_t waits_ = 0;
};

}  // namespace stagecraft::cuda
