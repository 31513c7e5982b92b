// Who this process is among those that mpirun started, known before MPI is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace stagecraft {

struct MpiEnvironment {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  // among those of this host
  int local_size = 1;
};

/// From the environment that mpirun gives; empty for a process that it did not start.
std::optional<MpiEnvironment> mpi_environment();

/// The numeric address of a network interface of this host; "" means loopback. Throws ConfigError
/// naming the interfaces that there are.
std::string address_of_interface(const std::string& name);

}  // namespace stagecraft
