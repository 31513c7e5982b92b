// MPI itself: started once, ended once, its failures as Errors.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

namespace stagecraft::mpi {

/// MPI_Init_thread to MPI_Finalize; whoever makes communicators holds it.
class Runtime {
 public:
  /// At most one in a process's life. Throws Error when MPI does not give MPI_THREAD_MULTIPLE.
  Runtime();
  /// Collective.
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Memory that an operation which an abort cut short may still touch lives until MPI ends. Safe
  /// from any thread.
  void keep(std::shared_ptr<void> memory);

 private:
  std::mutex mutex_;
  std::vector<std::shared_ptr<void>> kept_;
};

/// Throws Error with MPI's own text unless `code` is success.
void check_mpi(int code, std::string_view where);

}  // namespace stagecraft::mpi
