#include "kernels/ops/host_copy.h"

#include "kernels/ops/dispatch.h"

namespace stagecraft {
namespace {

void check(std::string_view where, const Tensor& tensor, std::size_t host_bytes) {
  require(!tensor.empty(), where, "the tensor is missing");
  require(host_bytes == static_cast<std::size_t>(tensor.bytes()), where,
          "{} {} has {} bytes, and the host's memory {}", tensor.dtype(), tensor.shape(),
          tensor.bytes(), host_bytes);
}

}  // namespace

void copy_from_host(Stream& stream, const CopyFromHost& args) {
  check("copy_from_host", args.to, args.from.size());
  dispatch(stream, args);
}

void copy_to_host(Stream& stream, const CopyToHost& args) {
  check("copy_to_host", args.from, args.to.size());
  dispatch(stream, args);
}

void start_copy_to_host(Stream& stream, const StartCopyToHost& args) {
  check("start_copy_to_host", args.from, args.to.size());
  dispatch(stream, args);
}

}  // namespace stagecraft
