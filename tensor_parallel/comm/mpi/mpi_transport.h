// The P2P transport over MPI, with one progress thread.
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

/// MPI makes progress only inside its calls, so a thread tests the pending transfers; without any
/// it sleeps. Transfers that an abort interrupts are not waited for: their bytes must stay valid
/// until MPI is finalised.
class MpiTransport : public P2pTransport {
 public:
  /// `comm` is used for nothing else, and outlives the transport.
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
    std::shared_ptr<const void> owner = {};  // of the bytes, after abandon()
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
  std::condition_variable work_;   // a new transfer, or the end of the thread
  std::condition_variable moved_;  // a transfer is done, or the world is aborted
  std::map<Ticket, Transfer> transfers_;
  Ticket next_ = 1;
  int under_way_ = 0;
  Backoff backoff_;
  bool ended_ = false;
  std::thread thread_;  // last: it starts when all other members are initialised
};

}  // namespace stagecraft::mpi
