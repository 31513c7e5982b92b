// CUDA as the rest of the program sees it: a shared module that is opened when a device is first
// asked for. Without CUDA in the build, or on a host without a usable GPU, the answers say so.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "kernels/core/device_report.h"
#include "kernels/core/stream.h"

namespace stagecraft::cuda {

/// A stream of its own with a memory pool and an account of its own. Throws Error with the reason
/// when device `index` cannot be used.
std::unique_ptr<Stream> make_cuda_stream(int index, const StreamOptions& options);

/// Never throws for a missing device, driver or library: that is what `why_none` tells.
DeviceCensus count_cuda_devices();

BackendReport report_cuda();

/// Device `index` copies to these pages by itself while the result lives. Throws Error with the
/// reason where it cannot. From any thread.
std::shared_ptr<void> pin_memory(int index, std::span<std::byte> pages);

}  // namespace stagecraft::cuda
