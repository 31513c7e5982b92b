#include "stages/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

struct Slot {
  int begin = 0;
  int end = 0;
  Instruction instruction;
};

/// Runs compute as early as order and inputs allow.
class Timeline {
 public:
  explicit Timeline(const Program& program)
      : program_(program), next_(program.stages.size(), 0), rows_(program.stages.size()) {}

  std::vector<std::vector<Slot>> run() {
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t stage = 0; stage < program_.stages.size(); ++stage) {
        while (next_[stage] < program_.stages[stage].size() && advance(stage)) {
          ++next_[stage];
          moved = true;
        }
      }
    }
    return std::move(rows_);
  }

 private:
  using Key = std::tuple<Op, int, int>;

  /// When the values that `i` needs are there; -1: not yet known.
  int ready_at(const Instruction& i) const {
    const bool forward = i.op == Op::forward;
    const int neighbour = forward ? i.chunk - 1 : i.chunk + 1;
    if (i.op == Op::backward_weight || neighbour < 0 || neighbour >= program_.chunks) {
      return 0;
    }
    for (const Op op :
         forward ? std::vector{Op::forward} : std::vector{Op::backward, Op::backward_input}) {
      const auto found = ends_.find({op, neighbour, i.microbatch});
      if (found != ends_.end()) {
        return found->second;
      }
    }
    return -1;
  }

  bool advance(std::size_t stage) {
    const Instruction& i = program_.stages[stage][next_[stage]].front();
    if (!is_compute(i.op)) {
      return true;
    }
    const int ready = ready_at(i);
    if (ready < 0) {
      return false;
    }
    auto& row = rows_[stage];
    const int begin = std::max(ready, row.empty() ? 0 : row.back().end);
    const int end = begin + (i.op == Op::backward ? 2 : 1);
    row.push_back({begin, end, i});
    ends_[{i.op, i.chunk, i.microbatch}] = end;
    return true;
  }

  const Program& program_;
  std::vector<std::size_t> next_;
  std::vector<std::vector<Slot>> rows_;
  std::map<Key, int> ends_;
};

/// "stage 0 |F0 F1 F2 F3 .. .. B0==|": a cell a unit.
std::string row_text(const std::vector<Slot>& row, int width, int makespan) {
  std::string text;
  int time = 0;
  for (const Slot& slot : row) {
    text += std::string(static_cast<std::size_t>((slot.begin - time) * width), ' ');
    std::string cell =
        fmt::format("{}{}", letters(slot.instruction.op), slot.instruction.microbatch);
    cell.resize(static_cast<std::size_t>((slot.end - slot.begin) * width - 1),
                slot.instruction.op == Op::backward ? '=' : ' ');
    text += cell + " ";
    time = slot.end;
  }
  return text + std::string(static_cast<std::size_t>((makespan - time) * width), ' ');
}

}  // namespace

Picture draw(const Program& program, int columns) {
  const auto rows = Timeline(program).run();
  Picture picture;
  int work = 0;
  for (const auto& row : rows) {
    require(!row.empty(), "draw", "a stage without compute cannot be drawn");
    picture.makespan = std::max(picture.makespan, row.back().end);
    for (const Slot& slot : row) {
      work += slot.end - slot.begin;
    }
  }
  const auto stages = static_cast<int>(rows.size());
  picture.bubble =
      1.0 - static_cast<double>(work) / (static_cast<double>(stages) * picture.makespan);
  const int width = static_cast<int>(std::to_string(program.microbatches - 1).size()) + 2;
  for (int stage = 0; stage < stages; ++stage) {
    std::string line = fmt::format("stage {:>{}} |", stage, std::to_string(stages - 1).size()) +
                       row_text(rows[static_cast<std::size_t>(stage)], width, picture.makespan);
    line.back() = '|';
    if (static_cast<int>(line.size()) > columns) {
      line = line.substr(0, static_cast<std::size_t>(columns - 3)) + "...";
    }
    picture.text += line + "\n";
  }
  return picture;
}

}  // namespace stagecraft
