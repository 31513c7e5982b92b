#include "stages/program/rendezvous_execution.h"

#include <utility>

namespace stagecraft {
namespace {

constexpr std::size_t kTransfers = count_of(OpKind::transfer);
constexpr std::size_t kFirstTransfer = first_of(OpKind::transfer);

}  // namespace

RendezvousExecution::RendezvousExecution(const Program& program)
    : program_(program),
      lines_(program.stages.size()),
      issued_(kTransfers * static_cast<std::size_t>(program.chunks) *
              static_cast<std::size_t>(program.microbatches)) {}

int RendezvousExecution::stage_of(const Instruction& transfer) const {
  return program_.stage_of_chunk[static_cast<std::size_t>(transfer.chunk)];
}

bool RendezvousExecution::at_end(int stage) const {
  return position(stage) == program_.stages[static_cast<std::size_t>(stage)].size();
}

std::size_t RendezvousExecution::position(int stage) const {
  return lines_[static_cast<std::size_t>(stage)].position;
}

/// The transfers of one chunk are contiguous.
std::size_t RendezvousExecution::index(const Instruction& i) const {
  const auto op = static_cast<std::size_t>(i.op) - kFirstTransfer;
  return (static_cast<std::size_t>(i.chunk) * kTransfers + op) *
             static_cast<std::size_t>(program_.microbatches) +
         static_cast<std::size_t>(i.microbatch);
}

bool RendezvousExecution::is_issued(const Instruction& transfer) const {
  return issued_[index(transfer)];
}

/// If the other end was issued already, its stage is still at that group: it waits for this
/// transfer.
void RendezvousExecution::issue(const Instruction& transfer) {
  issued_[index(transfer)] = true;
  const Instruction other = other_end(transfer);
  if (!is_issued(other)) {
    ++lines_[static_cast<std::size_t>(stage_of(transfer))].unmet;
    return;
  }
  note_change(stage_of(other));
  if (--lines_[static_cast<std::size_t>(stage_of(other))].unmet == 0) {
    released_.push_back(stage_of(other));
  }
}

void RendezvousExecution::note_change(int stage) {
  if (!std::exchange(lines_[static_cast<std::size_t>(stage)].changed, true)) {
    changed_.push_back(stage);
  }
}

std::vector<int> RendezvousExecution::take_changed() {
  for (const int stage : changed_) {
    lines_[static_cast<std::size_t>(stage)].changed = false;
  }
  return std::exchange(changed_, {});
}

/// Issues groups until one has to wait.
void RendezvousExecution::go_on(int stage) {
  note_change(stage);
  Line& line = lines_[static_cast<std::size_t>(stage)];
  const StageProgram& order = program_.stages[static_cast<std::size_t>(stage)];
  while (line.position < order.size()) {
    for (const Instruction& i : order[line.position]) {
      if (is_transfer(i.op) && !is_issued(i)) {
        issue(i);
      }
    }
    if (line.unmet > 0) {
      // A large program has many lines, and each call reads one group of one line: hardware
      // prefetching does not help.
      if (line.position + 1 < order.size()) {
        __builtin_prefetch(order[line.position + 1].data());
        __builtin_prefetch(&order[line.position + 1] + 2);
      }
      return;
    }
    ++line.position;
  }
  ++ended_;
}

bool RendezvousExecution::run() {
  for (int stage = 0; !begun_ && stage < static_cast<int>(lines_.size()); ++stage) {
    go_on(stage);
  }
  begun_ = true;
  while (!released_.empty()) {
    const int stage = released_.back();
    released_.pop_back();
    ++lines_[static_cast<std::size_t>(stage)].position;
    go_on(stage);
  }
  return ended_ == lines_.size();
}

std::optional<Instruction> RendezvousExecution::unmet(int stage) const {
  if (!at_end(stage)) {
    for (const Instruction& i : program_.stages[static_cast<std::size_t>(stage)][position(stage)]) {
      if (is_transfer(i.op) && !is_issued(other_end(i))) {
        return i;
      }
    }
  }
  return {};
}

}  // namespace stagecraft
