#include "kernels/cuda/module.h"

#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/device_facts.h"

extern "C" __attribute__((visibility("default"))) const stagecraft::cuda::Module*
stagecraft_cuda_module() {
  using namespace stagecraft::cuda;
  static constexpr Module kModule = {.layout = kLayout,
                                     .make_stream = make_stream_on,
                                     .count_devices = count_devices,
                                     .report = report};
  return &kModule;
}
