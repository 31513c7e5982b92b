// What signals ask of a run. The first SIGINT, SIGTERM, SIGHUP or SIGUSR1 asks it to stop after its
// step, the second ends the process. SIGUSR2 asks for a checkpoint after the step, and the run goes
// on. Output that nobody reads and a file that may not grow are errors of a call, not signals.
#pragma once

#include "stages/board/progress_board.h"

namespace stagecraft {

/// Installs the handlers: the first signal is recorded and announced on stderr, the second ends the
/// process at once with status 128 + its number. Two signals may be one request: `timeout` sends
/// SIGTERM twice, within 0.1 s, and a terminal that is lost is told by the system and by its shell,
/// so SIGHUP counts with any signal of the second before. A SIGHUP that is ignored (nohup) stays
/// so. Every SIGUSR2 is recorded and answered. SIGPIPE is ignored.
void watch_signals();

/// The same in a rank that mpirun has started, except that any signal within five seconds of the
/// first one counts with it: a signal to all processes reaches a rank directly and through mpirun.
/// SIGTERM of the parent ends the process at once: mpirun ends the ranks when one has failed.
void watch_signals_of_rank();

/// A write beyond the limit on a file's size (`ulimit -f`) is an error from now on. A rank calls it
/// when MPI has started: under a limit that Open MPI cannot start with, mpirun waits for ever for a
/// rank that says so, and ends one that the signal has ended.
void ignore_file_size_signal();

/// From now on a stop or a save that this rank is asked for, or was, is on the board, and so is the
/// end of the rank by mpirun (dismissed). `board` must live as long as the process.
void show_signals_on(ProgressBoard& board, int rank);

bool stop_signalled();

/// Whether the run makes checkpoints. If not, a SIGUSR2 says that nothing is saved.
void set_saves_on_signal(bool saves);

/// Whether a checkpoint was asked for since the last call.
bool take_save_signal();

}  // namespace stagecraft
