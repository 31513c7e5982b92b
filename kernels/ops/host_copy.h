// Between memory of the host and tensors of a device: the only way across that works on every
// backend. A tensor's data() is for the CPU's own code.
#pragma once

#include <cstddef>
#include <span>

#include "kernels/core/stream.h"
#include "kernels/core/tensor.h"
#include "kernels/ops/access.h"

namespace stagecraft {

/// to = the bytes of `from`, in the stream's order. The host's bytes are taken before the call
/// returns; the host waits for nothing else.
struct CopyFromHost {
  std::span<const std::byte> from;  // exactly to.bytes()
  Tensor to;
};
template <>
inline constexpr auto kTensors<CopyFromHost> = std::tuple(writes(&CopyFromHost::to));
void copy_from_host(Stream& stream, const CopyFromHost& args);

/// `to` = the bytes of `from` after everything issued to the stream so far. Waits for it: when the
/// call returns, the host has the bytes.
struct CopyToHost {
  Tensor from;
  std::span<std::byte> to;  // exactly from.bytes()
};
template <>
inline constexpr auto kTensors<CopyToHost> = std::tuple(reads(&CopyToHost::from));
void copy_to_host(Stream& stream, const CopyToHost& args);

/// The same, but the host does not wait: `to` is part of a HostMemory (backends/host_memory.h) and
/// has the bytes once the stream has come here.
struct StartCopyToHost {
  Tensor from;
  std::span<std::byte> to;  // exactly from.bytes()
};
template <>
inline constexpr auto kTensors<StartCopyToHost> = std::tuple(reads(&StartCopyToHost::from));
void start_copy_to_host(Stream& stream, const StartCopyToHost& args);

/// copy_from_host() and copy_to_host() for elements; T has to be what the tensor's dtype says.
template <typename T>
void copy_from_host(Stream& stream, std::span<const T> from, const Tensor& to) {
  require(to.dtype() == dtype_of<T>(), "copy_from_host", "the tensor holds {}, not {}", to.dtype(),
          dtype_of<T>());
  copy_from_host(stream, {std::as_bytes(from), to});
}
template <typename T>
void copy_to_host(Stream& stream, const Tensor& from, std::span<T> to) {
  require(from.dtype() == dtype_of<T>(), "copy_to_host", "the tensor holds {}, not {}",
          from.dtype(), dtype_of<T>());
  copy_to_host(stream, {from, std::as_writable_bytes(to)});
}

}  // namespace stagecraft
