// Initialises and finalises MPI, and turns MPI errors into Error.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace stagecraft::mpi {

/// MPI from MPI_Init_thread to MPI_Finalize. Every world and session holds it.
class Runtime {
 public:
  /// At most one in a process's life. Throws Error if MPI does not provide MPI_THREAD_MULTIPLE.
  Runtime();
  /// Collective.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Keeps `memory` until MPI is finalised: an operation that an abort interrupted may still access
  /// it. Safe from any thread.
  void keep(std::shared_ptr<void> memory);

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<void>> kept_;
};

/// Throws Error with MPI's text unless `code` is MPI_SUCCESS.
void check_mpi(int code, std::string_view where);

}  // namespace stagecraft::mpi
