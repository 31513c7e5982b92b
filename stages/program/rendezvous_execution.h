// Executes a program's lines in the worst case (docs/schedules.md, "The proof"): a stage issues a
// group when the group before it has ended, and a transfer ends when its other end is issued too.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "stages/program/program.h"

namespace stagecraft {

/// Near-linear: counts, for the group at which each stage stands, the members whose other end is
/// not issued. T, D and U end at once: they come last. Requires that every transfer of the program
/// stands once, on its chunk's stage, with its other end on another stage.
class RendezvousExecution {
 public:
  /// `program` must outlive it.
  explicit RendezvousExecution(const Program& program);

  /// As far as it goes; true when every line has come to its end.
  bool run();
  /// A transfer that is not issued yet is added to the group at which its stage stands, and is from
  /// now on passed over behind it.
  void issue(const Instruction& transfer);

  bool at_end(int stage) const;
  /// The group at which `stage` stands; the size of its line at the end.
  std::size_t position(int stage) const;
  bool is_issued(const Instruction& transfer) const;
  /// The first member of the group at which `stage` stands whose other end is not issued.
  std::optional<Instruction> unmet(int stage) const;
  int stage_of(const Instruction& transfer) const;
  /// Stages whose unmet() may be another than when this was last asked, each once.
  std::vector<int> take_changed();

 private:
  struct Line {
    std::size_t position = 0;
    int unmet = 0;  // members of its group whose other end is not issued
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
  std::size_t ended_ = 0;  // lines at their end
  bool begun_ = false;
};

}  // namespace stagecraft
