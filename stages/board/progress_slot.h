// A row of the progress board, of a rank or of the driver: its process, where it is, and since
// when.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <string>
#include <string_view>

#include "stages/program/instruction.h"

namespace stagecraft {

enum class Activity : std::uint8_t {
  starting,       // making its parameters
  beginning,      // preparing a program
  running,        // inside an instruction
  communicating,  // inside an instruction, in a collective: waits for its group
  waiting,        // for the envelope, the credit or the update that its next instruction needs
  reporting,      // adding up losses and gradient norm
  idle,           // has no program: waits for the driver
  writing,        // writing its part of the model
  leaving,        // has no more steps, and ends its part of the run
  ended,
  failed,
  dismissed,  // ended by a signal: mpirun ends the other processes when one has failed
  // of the driver alone
  deciding,   // adding up results, deciding the update
  observing,  // calling an observer of the run
  // of the ranks again: meeting all others
  joining,  // connecting to the other ranks
  parting,  // has ended its part, waits until the others have
  closing,  // all have, so all end MPI
  // of a rank that is traced
  tracing,  // writing its spans
  // of the ranks of a run with checkpoints
  saving  // waits for the end of the writing of its file
};
inline constexpr int kActivities = 19;

std::string_view to_string(Activity activity);

/// Nanoseconds since 1970.
std::int64_t wall_clock_ns();
/// The system's name of this host, at most 63 bytes.
std::string host_name();

/// What another host gets of a row: ages instead of times, since the clocks of two hosts have
/// nothing in common.
struct RowCopy {
  std::uint8_t activity = 0;
  std::int64_t step = 0;
  std::int64_t batch = -1;
  std::uint64_t instruction = 0;  // as in the row
  std::int64_t unchanged_ns = 0;  // for how long the row has not changed
  std::int64_t silent_ns = -1;    // since its last heartbeat; negative: it gives none
};

/// One rank's location. Lock-free. Each value is consistent by itself; two values may be from
/// slightly different moments. This is the layout in the mapped file
/// (docs/file_formats/progress_board.md):
///
///       0 since_ns i64       8 step i64         16 instruction u64     24 heartbeat_ns i64
///      32 batch i64         40 entered_wall_ns  48 entered_steady_ns   56 process i32
///      60 activity u8       61 zero             64 host, ended by a zero byte          128
class alignas(64) ProgressSlot {
 public:
  /// Registers the calling process as the one that runs the rank.
  void enter();
  void enter(int process, std::string_view host);
  /// A heartbeat: the process is alive, whatever its rank does.
  void beat();

  void set(Activity activity, std::int64_t step, const Instruction& instruction);
  /// Changes only the activity, e.g. into and out of a collective.
  void set(Activity activity);
  /// Progress within the activity.
  void advance();
  /// What the following steps and instructions belong to: batch `batch` of an evaluation, or
  /// training if it is negative.
  void set_batch(std::int64_t batch);

  /// The row at a time of the steady clock, for another host.
  RowCopy copy(std::int64_t now_ns) const;
  /// Replaces location and heartbeat by those of a rank of another host, as received at a time of
  /// this host's steady clock.
  void take(const RowCopy& copy, std::int64_t now_ns);
  /// No heartbeat comes any more.
  void stop_beating();

  struct View {
    Activity activity = Activity::starting;
    std::int64_t step = 0;
    std::int64_t batch = -1;  // of the evaluation; negative: training
    Instruction instruction;
    std::int64_t since_ns = 0;  // when the last change was, on the steady clock of the board's host
    std::int64_t heartbeat_ns = 0;  // the last heartbeat, likewise; 0: the process gives none
    int process = 0;                // 0: no process has entered
  };
  /// Where another host reads the board, its times can only be compared with each other; wall_ns()
  /// converts them.
  View view() const;
  std::string host() const;
  /// Converts a time of this row to nanoseconds since 1970.
  std::int64_t wall_ns(std::int64_t steady_ns) const;

 private:
  std::atomic<std::int64_t> since_ns_{0};
  std::atomic<std::int64_t> step_{0};
  std::atomic<std::uint64_t> instruction_{0};  // op, chunk, micro-batch: 8, 24 and 32 bits
  std::atomic<std::int64_t> heartbeat_ns_{0};
  std::atomic<std::int64_t> batch_{-1};
  // Both clocks at one moment, and the host; valid once process_ is set.
  std::int64_t entered_wall_ns_ = 0;
  std::int64_t entered_steady_ns_ = 0;
  std::atomic<std::int32_t> process_{0};
  std::atomic<std::uint8_t> activity_{0};
  std::array<char, 3> zero_{};
  std::array<char, 64> host_{};
};
static_assert(sizeof(ProgressSlot) == 128);
static_assert(std::atomic<std::int64_t>::is_always_lock_free &&
              std::atomic<std::int32_t>::is_always_lock_free &&
              std::atomic<std::uint8_t>::is_always_lock_free);

/// Describes a rank's location: "step 7, instruction 1RA3", "making its parameters", ...
std::string location_text(const ProgressSlot::View& view);
/// Describes the driver's location: "driver, step 7, waits for the ranks", ...
std::string driver_text(const ProgressSlot::View& view);
/// Whether the rank itself is working, so that no other rank can be the reason if it does not
/// proceed.
bool works(Activity activity);
/// The same for the driver, which otherwise waits for the ranks.
bool driver_works(Activity activity);
/// Whether the rank waits for another rank or for the driver.
bool waits_for_others(Activity activity);
/// Whether it does so for its next instruction.
bool waits_in_program(Activity activity);

}  // namespace stagecraft
