// On the CPU the device's memory is the host's.
#include "kernels/ops/host_copy.h"

#include <algorithm>

#include "kernels/ops/dispatch.h"

namespace stagecraft::cpu {

void copy_from_host(Stream& /*stream*/, const CopyFromHost& args) {
  std::copy(args.from.begin(), args.from.end(), static_cast<std::byte*>(args.to.raw()));
}

void copy_to_host(Stream& /*stream*/, const CopyToHost& args) {
  std::copy_n(static_cast<const std::byte*>(args.from.raw()), args.to.size(), args.to.begin());
}

void start_copy_to_host(Stream& stream, const StartCopyToHost& args) {
  dispatch(stream, CopyToHost{args.from, args.to});
}

}  // namespace stagecraft::cpu
