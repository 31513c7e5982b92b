// Bytes by MPI, moved by one thread of their own.
#pragma once

#include <mpi.h>

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "tensor_parallel/comm/contract/p2p_transport.h"
#include "tensor_parallel/comm/mpi/backoff.h"
#include "tensor_parallel/comm/mpi/world.h"

namespace stagecraft::mpi {

/// MPI moves nothing but within its own calls, so a thread calls it while something is under way.
/// With nothing under way it sleeps. What the world's abort cuts short is never waited for: its
/// bytes have to live until MPI ends.
class MpiTransport : public P2pTransport {
 public:
  /// `comm` is used for nothing else, and lives longer.
  MpiTransport(std::shared_ptr<World> world, MPI_Comm comm);
  ~MpiTransport() override;

  Ticket send(int to, int tag, std::span<const std::byte> bytes) override;
  Ticket receive(int from, int tag, std::span<std::byte> bytes) override;
  bool done(Ticket ticket) override;
  void wait(Ticket ticket) override;
  void abandon(Ticket ticket, std::shared_ptr<const void> owner) noexcept override;

 private:
  struct Transfer {
    MPI_Request request = MPI_REQUEST_NULL;
    bool receives = false;
    bool done = false;
    std::string fault = {};
    std::shared_ptr<const void> owner = {};  // of the bytes, once nobody will wait
  };

  Ticket begin(const Transfer& transfer);
  void run();
  bool test_all();
  static bool test(Transfer& transfer);
  void rest(std::unique_lock<std::mutex>& lock, bool moved);
  void give_up() noexcept;

  std::shared_ptr<World> world_;
  MPI_Comm comm_;
  std::mutex mutex_;
  std::condition_variable work_;   // something to carry, or the end
  std::condition_variable moved_;  // a parcel is done, or the world aborted
  std::map<Ticket, Transfer> transfers_;
  Ticket next_ = 1;
  int under_way_ = 0;
  Backoff backoff_;
  bool ended_ = false;
  std::thread thread_;  // last: it starts when all above is there
};

}  // namespace stagecraft::mpi
