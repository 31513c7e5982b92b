// Replaces session.cpp in a build without MPI.
#include "kernels/base/error.h"
#include "tensor_parallel/comm/mpi/session.h"

namespace stagecraft {

bool mpi_is_built() { return false; }

std::string mpi_version() { return {}; }

std::unique_ptr<MpiSession> start_mpi(const MpiOptions& /*options*/) {
  throw Error("start_mpi",
              "this program was built without MPI, which one process per actor needs: run apt-get "
              "install libopenmpi-dev openmpi-bin, then build again");
}

}  // namespace stagecraft
