#include "tests/stages/verify/interpreter_stages.h"

#include <algorithm>
#include <set>
#include <tuple>

#include "stages/schedules/reduction_pass.h"

namespace stagecraft::test {
namespace {

using Wire = std::tuple<int, int, bool>;  // source, destination, activation

std::int64_t of(const std::vector<std::int64_t>& list, std::size_t at) {
  return list.empty() ? 0 : list.at(at);
}
std::int64_t of_chunk(const std::vector<std::int64_t>& list, const Instruction& i) {
  return of(list, static_cast<std::size_t>(i.chunk));
}

}  // namespace

Stages::Stages(const Program& program, const ReductionShape& reductions, const Bounds& bounds)
    : program_(program), reductions_(reductions), bounds_(bounds), peaks_(program.stages.size()) {
  for (const StageProgram& line : program.stages) {
    for (const TransferGroup& group : line) {
      for (const Instruction& i : group) {
        trains_ = trains_ || (i.op != Op::forward && is_compute(i.op));
      }
    }
  }
}

State Stages::begin() {
  const std::size_t stages = program_.stages.size();
  State state{.position = std::vector<std::size_t>(stages),
              .ended = std::vector<std::uint32_t>(stages),
              .has = std::vector<std::uint8_t>(index(program_.chunks, 0) * kThings),
              .weights_next = std::vector<int>(static_cast<std::size_t>(program_.chunks)),
              .held = std::vector<std::int64_t>(stages),
              .due = {}};
  for (std::size_t stage = 0; stage < stages; ++stage) {
    state.due.push_back(due_on(static_cast<int>(stage)));
  }
  for (std::size_t stage = 0; stage < stages; ++stage) {
    hold(state, stage, of(bounds_.stage, stage) + slot_bytes(static_cast<int>(stage)));
    enter(state, stage);
  }
  return state;
}

void Stages::end_member(State& state, std::size_t stage, std::size_t member) {
  const TransferGroup& issued = group(state, stage);
  run(issued[member], stage, state);
  state.ended[stage] |= 1U << member;
  if (state.ended[stage] == (1U << issued.size()) - 1) {
    std::int64_t sent = 0;
    for (const Instruction& i : issued) {
      sent += is_send(i.op) ? bounds_.tensor : 0;
    }
    hold(state, stage, -sent);
    ++state.position[stage];
    state.ended[stage] = 0;
    enter(state, stage);
  }
}

void Stages::judge(const State& state) const {
  for (std::size_t stage = 0; stage < state.position.size(); ++stage) {
    expect(at_end(state, stage), "stage {} hangs at group {}", stage, state.position[stage]);
    expect(state.due[stage].empty(), "stage {} has not ended its step", stage);
  }
  for (int chunk = 0; chunk < program_.chunks; ++chunk) {
    for (int m = 0; m < program_.microbatches; ++m) {
      for (std::size_t thing = 0; thing < kThings; ++thing) {
        const bool due = thing == kForward || (thing == kGradient && trains_);
        expect((state.has[index(chunk, m) * kThings + thing] != 0) == due,
               "chunk {}, micro-batch {}: thing {} at the end", chunk, m, thing);
      }
    }
  }
}

std::int64_t Stages::slot_bytes(int stage) const {
  std::set<Wire> wires;
  for (int chunk = 0; chunk + 1 < program_.chunks; ++chunk) {
    wires.insert({owner(chunk), owner(chunk + 1), true});
    if (trains_) {
      wires.insert({owner(chunk + 1), owner(chunk), false});
    }
  }
  const auto ends_here = [&](const Wire& wire) {
    return std::get<1>(wire) == stage && std::get<0>(wire) != stage;
  };
  return std::count_if(wires.begin(), wires.end(), ends_here) * bounds_.slots * bounds_.tensor;
}

void Stages::hold(State& state, std::size_t stage, std::int64_t bytes) {
  state.held[stage] += bytes;
  need(state, stage, 0);
}

void Stages::need(const State& state, std::size_t stage, std::int64_t bytes) {
  const std::int64_t sum = state.held[stage] + bytes;
  peaks_[stage] = std::max(peaks_[stage], sum);
  expect(!bounds_.bytes || sum <= *bounds_.bytes, "stage {} holds {} bytes", stage, sum);
}

std::int64_t Stages::taken(const Instruction& i) const {
  if (i.op == Op::forward) {
    return i.chunk > 0 ? bounds_.tensor : 0;
  }
  return of_chunk(bounds_.stash, i) + (exists(i.chunk + 1) ? bounds_.tensor : 0);
}

void Stages::take(State& state, const Instruction& i, Thing thing) const {
  std::uint8_t& there = state.has[index(i.chunk, i.microbatch) * kThings + thing];
  expect(there != 0, "{} finds no thing {}", to_string(i), static_cast<int>(thing));
  there = 0;
}

void Stages::put(State& state, const Instruction& i, Thing thing, int chunk_offset) const {
  std::uint8_t& there = state.has[index(i.chunk + chunk_offset, i.microbatch) * kThings + thing];
  expect(there == 0, "{} makes thing {} again", to_string(i), static_cast<int>(thing));
  there = 1;
}

void Stages::enter(State& state, std::size_t stage) {
  if (at_end(state, stage)) {
    return;
  }
  const TransferGroup& issued = group(state, stage);
  expect(!issued.empty(), "stage {} issues nothing", stage);
  std::int64_t received = 0;
  for (const Instruction& i : issued) {
    check_member(i, issued, stage);
    received += is_transfer(i.op) && !is_send(i.op) ? bounds_.tensor : 0;
  }
  hold(state, stage, received);
}

void Stages::check_member(const Instruction& i, const TransferGroup& issued,
                          std::size_t stage) const {
  expect(issued.size() == 1 || is_transfer(i.op), "{} is no transfer in a group", to_string(i));
  const bool mine =
      i.op == Op::optimizer || (exists(i.chunk) && owner(i.chunk) == static_cast<int>(stage) &&
                                i.microbatch >= 0 && i.microbatch < program_.microbatches);
  expect(mine, "{} does not belong to stage {}", to_string(i), stage);
  if (is_transfer(i.op)) {
    const int other = other_end(i).chunk;
    expect(exists(other) && owner(other) != owner(i.chunk), "{} has no other end", to_string(i));
    expect(trains_ || i.op == Op::send_activation || i.op == Op::receive_activation,
           "{} in an evaluation", to_string(i));
  }
}

void Stages::run(const Instruction& i, std::size_t stage, State& state) {
  switch (i.op) {
    case Op::forward:
      need(state, stage, of_chunk(bounds_.forward, i) - taken(i));
      return hold(state, stage, forward(i, state));
    case Op::backward:
      need(state, stage, of_chunk(bounds_.backward, i) - taken(i));
      return hold(state, stage, backward(i, state));
    case Op::backward_input:
      need(state, stage, of_chunk(bounds_.backward_input, i) - taken(i));
      return hold(state, stage, backward(i, state));
    case Op::backward_weight:
      take(state, i, kWeightStash);
      add_gradient(i, state);
      return hold(state, stage, -of_chunk(bounds_.weight_stash, i));
    case Op::send_activation:
      return take(state, i, kOutput);
    case Op::receive_activation:
      return put(state, i, kInput);
    case Op::send_gradient:
      return take(state, i, kInputGradient);
    case Op::receive_gradient:
      return put(state, i, kOutputGradient);
    default:
      return end_step(i, stage, state);
  }
}

std::int64_t Stages::forward(const Instruction& i, State& state) const {
  std::int64_t bytes = -taken(i);
  if (i.chunk > 0) {
    take(state, i, kInput);
  }
  put(state, i, kForward);
  if (trains_) {
    put(state, i, kStash);
    bytes += of_chunk(bounds_.stash, i);
  }
  if (exists(i.chunk + 1)) {
    const bool here = owner(i.chunk + 1) == owner(i.chunk);
    here ? put(state, i, kInput, 1) : put(state, i, kOutput);
    bytes += bounds_.tensor;
  }
  return bytes;
}

std::int64_t Stages::backward(const Instruction& i, State& state) const {
  std::int64_t bytes = -taken(i);
  take(state, i, kStash);
  if (exists(i.chunk + 1)) {
    take(state, i, kOutputGradient);
  }
  if (i.op == Op::backward) {
    add_gradient(i, state);
  } else {
    put(state, i, kWeightStash);
    bytes += of_chunk(bounds_.weight_stash, i);
  }
  if (i.chunk > 0) {
    const bool here = owner(i.chunk - 1) == owner(i.chunk);
    here ? put(state, i, kOutputGradient, -1) : put(state, i, kInputGradient);
    bytes += bounds_.tensor;
  }
  return bytes;
}

void Stages::add_gradient(const Instruction& i, State& state) const {
  int& next = state.weights_next[static_cast<std::size_t>(i.chunk)];
  expect(i.microbatch == next, "{} adds before micro-batch {} does", to_string(i), next);
  ++next;
  put(state, i, kGradient);
}

TransferGroup Stages::due_on(int stage) const {
  TransferGroup due;
  if (!trains_) {
    return due;
  }
  const int last = program_.chunks - 1;
  if (reductions_.tied && (owner(last) == stage || owner(0) == stage)) {
    const int end = owner(last) == stage ? last : 0;
    due.push_back({Op::reduce_tied, end, 0});
    if (reductions_.data) {
      due.push_back({Op::reduce_tied_data, end, 0});
    }
  }
  for (int chunk = 0; chunk <= last && reductions_.data; ++chunk) {
    if (owner(chunk) == stage) {
      due.push_back({Op::reduce_data, chunk, 0});
    }
  }
  due.push_back({Op::optimizer, 0, 0});
  return due;
}

bool Stages::is_ending(const State& state, std::size_t stage) const {
  const StageProgram& line = program_.stages[stage];
  return std::all_of(line.begin() + static_cast<std::ptrdiff_t>(state.position[stage]), line.end(),
                     [](const TransferGroup& group) {
                       return !group.empty() && group.front().op >= Op::reduce_tied;
                     });
}

void Stages::end_step(const Instruction& i, std::size_t stage, State& state) const {
  TransferGroup& due = state.due[stage];
  const auto mine = std::find(due.begin(), due.end(), i);
  expect(mine != due.end(), "{} is not due", to_string(i));
  due.erase(mine);
  const auto is_due = [&](Op op) {
    return std::any_of(due.begin(), due.end(), [&](const Instruction& d) { return d.op == op; });
  };
  const bool complete =
      i.op != Op::reduce_data ||
      state.weights_next[static_cast<std::size_t>(i.chunk)] == program_.microbatches;
  expect(complete, "{} finds gradients that are not complete", to_string(i));
  expect(i.op != Op::reduce_tied || is_ending(state, stage), "{} holds up its stage", to_string(i));
  expect(i.op != Op::reduce_tied_data || !is_due(Op::reduce_tied), "{} comes before T",
         to_string(i));
  const bool last = state.position[stage] + 1 == program_.stages[stage].size();
  expect(i.op != Op::optimizer || last, "{} is not the last", to_string(i));
}

}  // namespace stagecraft::test
