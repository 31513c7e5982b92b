// What the CPU backend is made of, for people.
#pragma once

#include "kernels/core/device_report.h"

namespace stagecraft::cpu {

/// One, and what the host has of memory, or what this process may have of it: its control group and
/// its limit on address space.
DeviceCensus count_cpu();

BackendReport report_cpu();

}  // namespace stagecraft::cpu
