// `stagecraft doctor`: the devices and libraries of this program and host, and how to get missing
// ones.
#pragma once

#include <string>
#include <vector>

#include "kernels/core/device_report.h"

namespace stagecraft {

/// The facts that `stagecraft doctor` prints.
struct Findings {
  BackendReport cpu;
  BackendReport cuda;
  std::string nccl = {};        // version; "": NCCL cannot be used
  std::string nccl_fault = {};  // the reason, and the remedy
  std::string mpi;              // version text of the library; "": built without MPI
  std::string mpirun;           // path; "": not found
};

Findings find_out();

std::string doctor_text(const Findings& found);

int doctor();

}  // namespace stagecraft
