// Where every rank is, and what it waits for: written by executors, read by the guard, and in a
// run's directory by whoever comes after everything has died.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "kernels/base/file.h"
#include "stages/instruction.h"

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
  ended,
  failed
};

std::string_view to_string(Activity activity);

/// One rank's place. Lock-free; each value is whole, two values may be of neighbouring moments.
class ProgressSlot {
 public:
  void set(Activity activity, std::int64_t step, const Instruction& instruction);
  /// Only the activity changes: into and out of a collective.
  void set(Activity activity);

  struct View {
    Activity activity = Activity::starting;
    std::int64_t step = 0;
    Instruction instruction;
    std::int64_t since_ns = 0;  // steady clock; when the last change was
  };
  View view() const;

 private:
  std::atomic<std::int64_t> since_ns_{0};
  std::atomic<std::int64_t> step_{0};
  std::atomic<std::uint64_t> instruction_{0};  // op, chunk, micro-batch: 8, 24 and 32 bits
  std::atomic<std::uint8_t> activity_{0};
};

/// Where that is: "step 7, instruction 1RA3", "making its parameters", ...
std::string place_text(const ProgressSlot::View& view);
/// Whether the rank itself is at work, so that nobody else can be the reason that it does not move.
bool works(Activity activity);

class ProgressBoard {
 public:
  /// In memory, or mapped from a new file at `path`.
  ProgressBoard(int ranks, const std::filesystem::path& path);
  int ranks() const { return ranks_; }
  ProgressSlot& slot(int rank);

 private:
  int ranks_;
  std::optional<MappedFile> file_;
  std::unique_ptr<ProgressSlot[]> memory_;
  ProgressSlot* slots_ = nullptr;
};

}  // namespace stagecraft
