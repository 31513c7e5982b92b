// One rank's row of the progress board: who runs it, where it is, and since when.
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
  writing,        // its part of the model
  leaving,        // has done everything, and ends its connections
  ended,
  failed,
  dismissed  // ended by a signal, as mpirun ends the others when one has failed
};
inline constexpr int kActivities = 12;

std::string_view to_string(Activity activity);

/// Nanoseconds since 1970.
std::int64_t wall_clock_ns();
/// As the system names this host; at most 63 bytes.
std::string host_name();

/// One rank's place. Lock-free; each value is whole, two values may be of neighbouring moments.
/// Lies in a mapped file as it is (docs/file_formats/progress_board.md):
///
///       0 since_ns i64       8 step i64         16 instruction u64     24 heartbeat_ns i64
///      32 batch i64         40 entered_wall_ns  48 entered_steady_ns   56 process i32
///      60 activity u8       61 zero             64 host, ended by a zero byte          128
class alignas(64) ProgressSlot {
 public:
  /// The calling process runs the rank. Before that the row is nobody's.
  void enter();
  void enter(int process, std::string_view host);
  /// The process is still there, whatever its rank does.
  void beat();

  void set(Activity activity, std::int64_t step, const Instruction& instruction);
  /// Only the activity changes: into and out of a collective.
  void set(Activity activity);
  /// What the steps and instructions are of from now on: batch `batch` of an evaluation, or, when
  /// negative, training.
  void set_batch(std::int64_t batch);

  struct View {
    Activity activity = Activity::starting;
    std::int64_t step = 0;
    std::int64_t batch = -1;  // of the evaluation; negative: training
    Instruction instruction;
    std::int64_t since_ns = 0;      // steady clock of the rank's host: when the last change was
    std::int64_t heartbeat_ns = 0;  // likewise; 0: the process gives no heartbeat
    int process = 0;                // 0: nobody has entered
  };
  /// On another host its times can be compared with each other only; wall_ns() translates.
  View view() const;
  std::string host() const;
  /// Nanoseconds since 1970 of a time of this row.
  std::int64_t wall_ns(std::int64_t steady_ns) const;

 private:
  std::atomic<std::int64_t> since_ns_{0};
  std::atomic<std::int64_t> step_{0};
  std::atomic<std::uint64_t> instruction_{0};  // op, chunk, micro-batch: 8, 24 and 32 bits
  std::atomic<std::int64_t> heartbeat_ns_{0};
  std::atomic<std::int64_t> batch_{-1};
  // The two clocks at one moment, and the host: whole once process_ is there.
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

/// Where that is: "step 7, instruction 1RA3", "making its parameters", ...
std::string place_text(const ProgressSlot::View& view);
/// Whether the rank itself is at work, so that nobody else can be the reason that it does not move.
bool works(Activity activity);
/// Whether it is another rank's turn, or the driver's.
bool waits_for_others(Activity activity);

}  // namespace stagecraft
