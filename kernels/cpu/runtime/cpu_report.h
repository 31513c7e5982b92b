// What the CPU backend is made of, for people.
#pragma once

#include "kernels/core/device_report.h"

namespace stagecraft::cpu {

/// One, and what the host has of memory, or the control group that holds this process allows.
DeviceCensus count_cpu();

BackendReport report_cpu();

}  // namespace stagecraft::cpu
