// MPI in this process, from start to end. No MPI type is visible outside this folder.
// no_session.cpp replaces session.cpp in a build without MPI.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "tensor_parallel/comm/contract/communicator.h"
#include "tensor_parallel/comm/contract/p2p_transport.h"

namespace stagecraft {

struct MpiOptions {
  /// Whether ranks of one node use shared windows. false: every rank counts as a node of its own.
  bool shared_windows = true;
};

/// Whether the program was built with MPI.
bool mpi_is_built();

/// The library's version text, e.g. "Open MPI v4.1.4, ..."; "" in a build without MPI.
std::string mpi_version();

/// At most one in a process's life. Destroy every object obtained from it before the session.
class MpiSession {
 public:
  virtual ~MpiSession() = default;

  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Whether this rank and `rank` can share windows.
  virtual bool shares_windows_with(int rank) const = 0;
  /// Gathers every rank's text, by rank. Collective; a few kilobytes at most.
  virtual std::vector<std::string> exchange(const std::string& mine) = 0;
  /// A communicator of all ranks, with the session's rank numbers. Collective; call it once. Its
  /// abort also ends the waits of the P2P transport.
  virtual std::unique_ptr<Communicator> world() = 0;
  /// Valid as long as the session.
  virtual P2pTransport& p2p() = 0;
};

/// Initialises MPI (MPI_THREAD_MULTIPLE). The session's destructor finalises it, which is
/// collective; after a failed run the process exits without it. Throws Error if the program was
/// built without MPI, or if MPI does not provide the thread level.
std::unique_ptr<MpiSession> start_mpi(const MpiOptions& options);

}  // namespace stagecraft
