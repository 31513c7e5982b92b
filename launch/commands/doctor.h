// `stagecraft doctor`: what this program and this host have, what is missing, and how to get it.
#pragma once

#include <string>
#include <vector>

#include "kernels/core/device_report.h"

namespace stagecraft {

/// What the doctor has found out.
struct Findings {
  BackendReport cpu;
  BackendReport cuda;
  std::string nccl = {};        // its version; "": it cannot be used
  std::string nccl_fault = {};  // why, and what to do
  std::string mpi;              // the library's own words; "": the program was built without MPI
  std::string mpirun;           // its path; "": there is none
};

Findings find_out();

std::string doctor_text(const Findings& found);

int doctor();

}  // namespace stagecraft
