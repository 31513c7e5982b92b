// The progress board of this process's host. The processes of one host find it before MPI starts,
// and share nothing with other hosts for it.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "actors/failure/board_relay.h"
#include "launch/setup/mpi_environment.h"
#include "stages/board/progress_board.h"
#include "tensor_parallel/comm/mpi/session.h"

namespace stagecraft {

/// Who looks for the board, and where.
struct BoardPlace {
  std::filesystem::path run_file;  // of rank 0's host, in the run directory
  MpiEnvironment process;
  std::string host;
  int launcher = 0;  // the parent of all processes of the host

  /// On every other host: a local file, so that no process of the run waits for a file system that
  /// is shared, and no page has two writers that do not see each other.
  std::filesystem::path host_file() const;
  /// Where a failed rank of another host leaves a copy of its board: the run directory.
  std::filesystem::path copy_file() const;
};

/// Of this process.
BoardPlace board_place(const std::filesystem::path& run_file);

class HostBoard {
 public:
  /// Makes the board on the first rank of the host. Others wait for it for the board's
  /// watchdog_seconds, and throw Error if there is none. Then this rank has entered it.
  HostBoard(const BoardInfo& info, BoardPlace place);

  const std::shared_ptr<ProgressBoard>& board() const { return board_; }
  int ranks_here() const { return place_.process.local_size; }

  /// Enters the ranks of other hosts, and takes the name from a local file, so that it is gone with
  /// the processes. Collective over several hosts, and before anything asks where a rank is;
  /// nothing on one host.
  void meet_others(MpiSession& session);
  /// Keeps the board up with the others'; empty on one host, and on all but each host's first rank.
  std::optional<BoardRelay> relay() const;
  /// MPI has ended on all ranks: this one and those of other hosts have ended.
  void end();
  /// Leaves a copy of a local board in the run directory. Errors are dropped: the run has failed
  /// already.
  void keep_copy() const noexcept;

 private:
  bool is_first() const { return place_.process.rank == 0 || place_.process.local_rank == 0; }

  BoardPlace place_;
  std::shared_ptr<ProgressBoard> board_;
  bool local_ = false;
};

}  // namespace stagecraft
