// What the devices of this host are, and whether this build has code for them.
#pragma once

#include "kernels/core/device_report.h"

namespace stagecraft::cuda {

/// The devices from 0 on that have a driver and code in this build.
DeviceCensus count_devices();

BackendReport report();

}  // namespace stagecraft::cuda
