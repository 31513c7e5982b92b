// Pinned memory that bytes of the host pass through on their way to the device: a copy from
// ordinary memory would make the host wait for the stream.
#pragma once

#include <cuda_runtime_api.h>

#include <array>
#include <cstddef>
#include <span>

#include "kernels/cuda/handle.h"

namespace stagecraft::cuda {

/// A ring of pieces, each made when it is first needed. The host waits only where all of them are
/// still on their way.
class PinnedStaging {
 public:
  /// Takes the bytes of `from`; they arrive at `to`, on the device, in the order of `stream`. One
  /// staging serves one stream.
  void copy(std::span<const std::byte> from, std::byte* to, cudaStream_t stream);

 private:
  static constexpr std::size_t kPieces = 16;
  static constexpr std::size_t kPieceBytes = 1 << 20;

  struct Piece {
    Handle<std::byte*, cudaFreeHost> bytes;
    Handle<cudaEvent_t, cudaEventDestroy> passed;
  };

  Piece& next();

  std::array<Piece, kPieces> pieces_;
  std::size_t next_ = 0;
};

}  // namespace stagecraft::cuda
