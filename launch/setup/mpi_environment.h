// Rank and size of this process as set by mpirun, available before MPI is initialised.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

namespace stagecraft {

struct MpiEnvironment {
  int rank = 0;
  int size = 1;
  int local_rank = 0;  // among the processes of this host
  int local_size = 1;
  /// A folder of this host for the job's temporary files, which mpirun removes.
  std::filesystem::path local_folder = {};

  bool several_hosts() const { return local_size < size; }
};

/// Reads mpirun's environment variables. Empty when mpirun did not start this process.
std::optional<MpiEnvironment> mpi_environment();

/// The numeric address of a network interface of this host; "" means loopback. Throws ConfigError
/// with the list of interfaces when there is no such interface.
std::string address_of_interface(const std::string& name);

}  // namespace stagecraft
