#include "stages/explain/wait_index.h"

#include <algorithm>
#include <numeric>

#include "kernels/base/error.h"
#include "stages/program/edge.h"

namespace stagecraft {

WaitIndex::WaitIndex(const Program& program, const MeshShape& mesh, const StepTimeline& step,
                     int slots)
    : program_(program), mesh_(mesh), step_(step), slots_(static_cast<std::size_t>(slots)) {
  for (std::size_t rank = 0; rank < step.ranks.size(); ++rank) {
    require(!step.ranks[rank].actions.empty(), "explain", "rank {} has no instruction in step {}",
            rank, step.step);
    index(static_cast<int>(rank));
    index_sends(static_cast<int>(rank));
  }
  find_last();
}

WaitIndex::Key WaitIndex::key(int number, const Instruction& i) const {
  const MeshCoordinate& coordinate = rank(number).coordinate;
  return {column_of(mesh_, coordinate), i.op, i.chunk, i.microbatch};
}

std::optional<ActionRef> WaitIndex::find(int number, const Instruction& i) const {
  const auto found = where_.find(key(number, i));
  return found == where_.end() ? std::nullopt : std::optional(found->second);
}

void WaitIndex::index(int number) {
  const std::vector<Action>& actions = rank(number).actions;
  std::vector<std::size_t> order(actions.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return actions[a].begin < actions[b].begin;
  });
  std::vector<Predecessor> before(order.size());
  Predecessor last{.end = rank(number).begin};
  for (const std::size_t action : order) {
    where_[key(number, actions[action].instruction)] = {number, action};
    before[action] = last;
    if (actions[action].end >= last.end) {
      last = {action, actions[action].end};
    }
  }
  order_.push_back(std::move(order));
  before_.push_back(std::move(before));
}

void WaitIndex::index_sends(int number) {
  const std::vector<Action>& actions = rank(number).actions;
  std::map<Edge, std::vector<std::size_t>> sends;
  std::vector<std::optional<std::size_t>> earlier(actions.size());
  for (std::size_t a = 0; a < actions.size(); ++a) {
    if (is_send(actions[a].instruction.op)) {
      auto& sent = sends[edge_of(actions[a].instruction, program_.stage_of_chunk)];
      if (sent.size() >= slots_) {
        earlier[a] = sent[sent.size() - slots_];
      }
      sent.push_back(a);
    }
  }
  earlier_send_.push_back(std::move(earlier));
}

void WaitIndex::find_last() {
  for (std::size_t i = 0; i < step_.ranks.size(); ++i) {
    const auto number = static_cast<int>(i);
    const Action& action = rank(number).actions.back();
    last_to_come_ = action.came > rank(last_to_come_).actions.back().came ? number : last_to_come_;
    last_to_end_ = action.end > rank(last_to_end_).actions.back().end ? number : last_to_end_;
  }
}

WaitTarget WaitIndex::awaited(const ActionRef& ref) const {
  const Instruction& i = at(ref).instruction;
  switch (traits(i.op).group) {
    case OpGroup::tensor:
    case OpGroup::data:
      return {};
    case OpGroup::peer:
      return is_send(i.op) ? awaited_slot(ref) : awaited_send(ref);
    case OpGroup::tied:
      return awaited_tied(ref);
    case OpGroup::all:
      return {rank(last_to_come_).actions.back().came,
              IdleCause::optimizer,
              {last_to_come_, rank(last_to_come_).actions.size() - 1}};
  }
  return {};
}

WaitTarget WaitIndex::awaited_send(const ActionRef& receive) const {
  const auto sent = find(receive.rank, other_end(at(receive).instruction));
  return sent ? WaitTarget{at(*sent).begin, IdleCause::instruction, *sent, true} : WaitTarget{};
}

WaitTarget WaitIndex::awaited_tied(const ActionRef& tied) const {
  const auto other = other_tied(tied);
  return other ? WaitTarget{at(*other).came, IdleCause::collective, *other} : WaitTarget{};
}

WaitTarget WaitIndex::awaited_slot(const ActionRef& send) const {
  const auto earlier = earlier_send_[static_cast<std::size_t>(send.rank)][send.action];
  if (!earlier) {
    return {};
  }
  const auto freed = find(send.rank, other_end(rank(send.rank).actions[*earlier].instruction));
  return freed ? WaitTarget{at(*freed).end, IdleCause::credit, *freed, true} : WaitTarget{};
}

/// The T of the stage with the other end of the tied parameter.
std::optional<ActionRef> WaitIndex::other_tied(const ActionRef& ref) const {
  const ModelEnds ends = model_ends(program_.stage_of_chunk);
  MeshCoordinate there = rank(ref.rank).coordinate;
  if (!ends.on_two_stages()) {
    return {};
  }
  there.pipeline = there.pipeline == ends.first ? ends.last : ends.first;
  const int other = rank_at(mesh_, there);
  const auto& actions = rank(other).actions;
  const auto found = std::find_if(actions.begin(), actions.end(), [](const Action& action) {
    return action.instruction.op == Op::reduce_tied;
  });
  return found == actions.end()
             ? std::nullopt
             : std::optional(ActionRef{other, static_cast<std::size_t>(found - actions.begin())});
}

Instruction WaitIndex::named(const WaitTarget& awaited) const {
  const Instruction& i = at(awaited.ref).instruction;
  if (awaited.cause == IdleCause::instruction) {
    for (const OpTraits& each : kOpTraits) {
      const Instruction maker{each.op, i.chunk, i.microbatch};
      if (each.kind == OpKind::compute && each.payload == payload_of(i.op) &&
          find(awaited.ref.rank, maker)) {
        return maker;
      }
    }
  }
  const std::optional<std::size_t> earlier = before(awaited.ref).action;
  return meets_stages(i.op) && earlier ? rank(awaited.ref.rank).actions[*earlier].instruction : i;
}

}  // namespace stagecraft
