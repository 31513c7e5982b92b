#include "tensor_parallel/comm/mpi/runtime.h"

#include <mpi.h>

#include <array>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft::mpi {

Runtime::Runtime() {
  int given = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &given), "MPI_Init_thread");
  if (given < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();
    throw Error("MPI_Init_thread", fmt::format("this MPI provides thread level {}, not {}, which "
                                               "the P2P transport's thread and aborts need",
                                               given, MPI_THREAD_MULTIPLE));
  }
}

Runtime::~Runtime() { MPI_Finalize(); }

void Runtime::keep(std::shared_ptr<void> memory) {
  const std::lock_guard lock(mutex_);
  kept_.push_back(std::move(memory));
}

void check_mpi(int code, std::string_view where) {
  if (code == MPI_SUCCESS) [[likely]] {
    return;
  }
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  MPI_Error_string(code, text.data(), &length);
  throw Error(where, std::string_view(text.data(), static_cast<std::size_t>(length)));
}

}  // namespace stagecraft::mpi
