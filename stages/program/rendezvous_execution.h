// Executes a program in the worst case (docs/schedules.md, "The proof"): a stage issues a group
// when the group before it has ended, and a transfer ends when its other end is issued too.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "stages/program/program.h"

namespace stagecraft {

/// Near-linear time: for the current group of each stage it counts the members whose other end is
/// not issued. D and TD end at once: a stage's data ranks run one line and come to them together. T
/// and U end at once, since no compute or transfer follows them. Requires that every transfer
/// occurs once in the program, on its chunk's stage, with its other end on another stage.
class RendezvousExecution {
 public:
  /// `program` must outlive it.
  explicit RendezvousExecution(const Program& program);

  /// Runs until no stage can proceed; true if every stage has reached the end of its line.
  bool run();
  /// Adds a transfer that is not issued yet to the current group of its stage. Its later occurrence
  /// on the line is skipped.
  void issue(const Instruction& transfer);

  bool at_end(int stage) const;
  /// The index of the current group of `stage`; at the end, the size of its line.
  std::size_t position(int stage) const;
  bool is_issued(const Instruction& transfer) const;
  /// The first member of the current group of `stage` whose other end is not issued.
  std::optional<Instruction> unmet(int stage) const;
  int stage_of(const Instruction& transfer) const;
  /// The stages whose unmet() may have changed since the last call, each once.
  std::vector<int> take_changed();

 private:
  struct Line {
    std::size_t position = 0;
    int unmet = 0;  // members of the current group whose other end is not issued
    bool changed = false;
  };

  std::size_t index(const Instruction& transfer) const;
  void go_on(int stage);
  void note_change(int stage);

  const Program& program_;
  std::vector<Line> lines_;
  std::vector<bool> issued_;
  std::vector<int> released_;  // stages whose group has ended
  std::vector<int> changed_;
  std::size_t ended_ = 0;  // lines that have ended
  bool begun_ = false;
};

}  // namespace stagecraft
