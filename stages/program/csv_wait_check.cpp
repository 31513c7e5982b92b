#include "stages/program/csv_wait_check.h"

#include <fmt/format.h>

#include "stages/program/csv_cells.h"

namespace stagecraft {
namespace {

std::tuple<Op, int, int> key_of(const Instruction& i) { return {i.op, i.chunk, i.microbatch}; }

}  // namespace

void CsvWaitCheck::issue(const Instruction& instruction, TextPosition location) {
  const auto [first, added] = issues_.try_emplace(key_of(instruction), Issue{location});
  if (!added) {
    throw TextError(location, fmt::format("\"{}\" is also at column {}; remove one",
                                          cell_text(instruction), first->second.location.column));
  }
}

void CsvWaitCheck::wait(const Instruction& awaited, TextPosition location) {
  const auto issued = issues_.find(key_of(awaited));
  if (issued == issues_.end()) {
    throw TextError(location, fmt::format("\"{}\" waits for {}, which does not come before it in "
                                          "this row; move the wait behind it, or remove the wait",
                                          wait_text(awaited), cell_text(awaited)));
  }
  std::optional<TextPosition>& before = issued->second.wait;
  if (before) {
    throw TextError(location, fmt::format("\"{}\" is also at column {}; remove one",
                                          wait_text(awaited), before->column));
  }
  before = location;
}

}  // namespace stagecraft
