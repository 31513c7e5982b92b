#include "kernels/cuda/module/module.h"

#include "kernels/base/error.h"
#include "kernels/cuda/ops/op_table.h"
#include "kernels/cuda/runtime/cuda_stream.h"
#include "kernels/cuda/runtime/device_facts.h"
#include "kernels/cuda/runtime/pinned_pages.h"

namespace stagecraft::cuda {
namespace {

std::unique_ptr<Stream> make_stream(int index, const StreamOptions& options) {
  const DeviceCensus census = count_devices();
  require(index >= 0 && index < census.count, "make_stream", "cuda:{} cannot be used: {}", index,
          census.count == 0 ? census.why_none
                            : fmt::format("this host has devices 0 .. {}", census.count - 1));
  return std::make_unique<CudaStream>(index, options, op_table());
}

}  // namespace
}  // namespace stagecraft::cuda

extern "C" __attribute__((visibility("default"))) const stagecraft::cuda::Module*
stagecraft_cuda_module() {
  using namespace stagecraft::cuda;
  static const Module kModule = {.layout = layout(),
                                 .make_stream = make_stream,
                                 .count_devices = count_devices,
                                 .report = report,
                                 .pin_memory = pin_memory};
  return &kModule;
}
