// What the CPU backend is made of, for people.
#pragma once

#include "kernels/device_report.h"

namespace stagecraft::cpu {

BackendReport report_cpu();

}  // namespace stagecraft::cpu
