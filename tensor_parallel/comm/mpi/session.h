// MPI of this process, from start to end. No MPI type leaves this folder; where the program was
// built without MPI, no_session.cpp stands in for it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensor_parallel/comm/contract/communicator.h"
#include "tensor_parallel/comm/contract/p2p_transport.h"

namespace stagecraft {

struct MpiOptions {
  /// Whether ranks of one node use shared windows. false: as if every rank were alone on its node.
  bool shared_windows = true;
};

/// Whether the program was built with MPI.
bool mpi_is_built();

/// The library's own words, as "Open MPI v4.1.4, ..."; "" where the program was built without it.
std::string mpi_version();

/// At most one in a process's life. Everything that it gives must be gone before it ends.
class MpiSession {
 public:
  virtual ~MpiSession() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Whether `rank` can be reached through shared windows.
  virtual bool shares_windows_with(int rank) const = 0;
  /// Every rank's text, by rank. Collective; a few kilobytes at most.
  virtual std::vector<std::string> exchange(const std::string& mine) = 0;
  /// All ranks, numbered as here. Collective, once. Its abort wakes the courier's waits too.
  virtual std::unique_ptr<Communicator> world() = 0;
  /// Lives as long as the session.
  virtual P2pTransport& p2p() = 0;
};

/// Initialises MPI (MPI_THREAD_MULTIPLE); the session's destructor finalises it, collectively. A
/// run that failed ends its process without that. Throws Error when MPI was not built in, or does
/// not give the thread level.
std::unique_ptr<MpiSession> start_mpi(const MpiOptions& options);

}  // namespace stagecraft
