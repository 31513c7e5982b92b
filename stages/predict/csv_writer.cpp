#include "stages/predict/csv_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "stages/predict/simulate.h"
#include "stages/program/csv_cells.h"
#include "stages/schedules/transfer_pass.h"

namespace stagecraft {
namespace {

std::string cell_text(const Instruction& i) {
  const auto* known = std::find_if(kCellNames.begin(), kCellNames.end(),
                                   [&](const CellName& entry) { return entry.op == i.op; });
  if (known == kCellNames.end()) {
    return "";
  }
  return has_microbatch(i.op) ? fmt::format("{}{}{}", i.chunk, known->name, i.microbatch)
                              : fmt::format("{}{}", i.chunk, known->name);
}

std::vector<std::string> cells_in_order(const StageProgram& stage) {
  std::vector<std::string> cells;
  for (const TransferGroup& group : stage) {
    for (const Instruction& instruction : group) {
      if (std::string cell = cell_text(instruction); !cell.empty()) {
        cells.push_back(std::move(cell));
      }
    }
  }
  return cells;
}

std::vector<std::string> cells_in_time(const StageTimeline& timeline) {
  std::vector<std::string> cells;
  for (const Action& action : timeline.actions) {
    if (is_compute(action.instruction.op)) {
      const auto slot = static_cast<std::size_t>(std::lround(action.begin));
      cells.resize(slot + 1);
      cells[slot] = cell_text(action.instruction);
    }
  }
  return cells;
}

}  // namespace

std::string to_csv(const Program& program) {
  std::vector<std::vector<std::string>> rows;
  if (is_compute_only(program)) {
    const CostTable one_slot_each{.chunks = {{.backward = 1.0}}, .slots = program.microbatches};
    for (const StageTimeline& stage : simulate(with_transfers(program), one_slot_each).stages) {
      rows.push_back(cells_in_time(stage));
    }
  } else {
    for (const StageProgram& stage : program.stages) {
      rows.push_back(cells_in_order(stage));
    }
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    text += row.empty() ? ",\r\n" : fmt::format("{}\r\n", fmt::join(row, ","));
  }
  return text;
}

}  // namespace stagecraft
