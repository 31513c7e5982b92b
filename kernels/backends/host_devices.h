// What devices this host has.
#pragma once

#include "kernels/core/device_report.h"

namespace stagecraft {

DeviceCensus count_devices(DeviceKind kind);

/// May start the devices' contexts, which takes a second. Never throws for what is missing.
BackendReport report_backend(DeviceKind kind);

}  // namespace stagecraft
