#include "stages/predict/csv_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "stages/predict/receive_order.h"
#include "stages/predict/simulate.h"
#include "stages/program/csv_cells.h"
#include "stages/schedules/transfer_pass.h"

namespace stagecraft {
namespace {

/// The cells of one line, with a wait for every send and reduction, where torch 2.15 puts them. The
/// send of an activation ends before the backward of its micro-batch begins, so its wait comes
/// then.
class RowWriter {
 public:
  std::vector<std::string> run(const std::vector<Instruction>& line) {
    std::for_each(line.begin(), line.end(), [&](const Instruction& i) { add(i); });
    for (const std::vector<Instruction>& sends : {activations_, gradients_}) {
      std::for_each(sends.begin(), sends.end(), [&](const Instruction& i) { wait(i); });
    }
    return std::move(cells_);
  }

 private:
  void add(const Instruction& i) {
    std::string cell = cell_text(i);
    if (cell.empty()) {
      return;
    }
    cells_.push_back(std::move(cell));
    if (is_send(i.op)) {
      (payload_of(i.op) == Payload::activation ? activations_ : gradients_).push_back(i);
    } else if (has_wait(i.op)) {
      wait(i);
    } else if (is_compute(i.op) && payload_of(i.op) == Payload::gradient) {
      wait_for_activation(i);
    }
  }

  void wait(const Instruction& awaited) { cells_.push_back(wait_text(awaited)); }

  void wait_for_activation(const Instruction& backward) {
    const auto sent =
        std::find_if(activations_.begin(), activations_.end(), [&](const Instruction& i) {
          return i.chunk == backward.chunk && i.microbatch == backward.microbatch;
        });
    if (sent != activations_.end()) {
      wait(*sent);
      activations_.erase(sent);
    }
  }

  std::vector<std::string> cells_;
  std::vector<Instruction> activations_;  // whose sends have no wait yet
  std::vector<Instruction> gradients_;
};

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
    ReceiveOrder order(program);
    for (int stage = 0; stage < static_cast<int>(program.stages.size()); ++stage) {
      rows.push_back(RowWriter().run(order.line(stage)));
    }
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    text += row.empty() ? ",\r\n" : fmt::format("{}\r\n", fmt::join(row, ","));
  }
  return text;
}

}  // namespace stagecraft
