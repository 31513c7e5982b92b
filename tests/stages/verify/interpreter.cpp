#include "tests/stages/verify/interpreter.h"

#include <random>
#include <unordered_set>

#include "tests/stages/verify/interpreter_stages.h"

namespace stagecraft::test {
namespace {

/// A member of a stage's current group ends, together with its other end, if it has one.
struct Move {
  std::size_t stage = 0;
  std::size_t member = 0;
  bool joint = false;
  std::size_t other_stage = 0;
  std::size_t other_member = 0;
};

/// The moves that are possible, given what the stages have issued.
class Moves {
 public:
  Moves(const Program& program, const Bounds& bounds, const Stages& stages)
      : program_(program), bounds_(bounds), stages_(stages) {}

  std::vector<Move> of(const State& state) const {
    std::vector<Move> all;
    for (std::size_t stage = 0; stage < program_.stages.size(); ++stage) {
      if (stages_.at_end(state, stage)) {
        continue;
      }
      const Op op = stages_.group(state, stage).front().op;
      if (is_transfer(op)) {
        add_transfers(state, stage, all);
      } else if (op == Op::reduce_tied && first() != last()) {
        add_tied(state, stage, all);
      } else {
        all.push_back({.stage = stage});
      }
    }
    return all;
  }

 private:
  std::size_t owner(int chunk) const { return static_cast<std::size_t>(stages_.owner(chunk)); }
  std::size_t first() const { return owner(0); }
  std::size_t last() const { return owner(program_.chunks - 1); }

  /// Whether two transfers of one stage have the same direction and the same channel.
  bool share_channel(const Instruction& a, const Instruction& b) const {
    return a.op == b.op && owner(other_end(a).chunk) == owner(other_end(b).chunk);
  }

  /// The first member on the channel of `transfer` that has not ended, since a channel keeps its
  /// order; the group's size if there is none.
  std::size_t next_like(const Instruction& transfer, const State& state, std::size_t stage) const {
    const TransferGroup& issued = stages_.group(state, stage);
    std::size_t member = 0;
    while (member < issued.size() &&
           ((state.ended[stage] >> member & 1U) != 0 || !share_channel(issued[member], transfer))) {
      ++member;
    }
    return member;
  }

  void add_transfers(const State& state, std::size_t stage, std::vector<Move>& all) const {
    const TransferGroup& issued = stages_.group(state, stage);
    for (std::size_t member = 0; member < issued.size() && bounds_.slots > 0; ++member) {
      const Instruction& send = issued[member];
      if (!is_send(send.op) || next_like(send, state, stage) != member) {
        continue;
      }
      const Instruction receive = other_end(send);
      const std::size_t other = owner(receive.chunk);
      if (stages_.at_end(state, other) || !is_transfer(stages_.group(state, other).front().op)) {
        continue;
      }
      const std::size_t partner = next_like(receive, state, other);
      if (partner < stages_.group(state, other).size()) {
        const Instruction& awaiting = stages_.group(state, other)[partner];
        expect(awaiting == receive, "{} comes where {} waits", to_string(send),
               to_string(awaiting));
        all.push_back({stage, member, true, other, partner});
      }
    }
  }

  /// The two stages of a tied parameter add together; the stage of the first chunk makes the move.
  void add_tied(const State& state, std::size_t stage, std::vector<Move>& all) const {
    if (stage == first() && !stages_.at_end(state, last()) &&
        stages_.group(state, last()).front().op == Op::reduce_tied) {
      all.push_back({stage, 0, true, last(), 0});
    }
  }

  const Program& program_;
  const Bounds& bounds_;
  const Stages& stages_;
};

void make(const Move& move, Stages& stages, State& state) {
  stages.end_member(state, move.stage, move.member);
  if (move.joint) {
    stages.end_member(state, move.other_stage, move.other_member);
  }
}

bool has_few_states(const Program& program, std::size_t most) {
  std::size_t states = 1;
  for (const StageProgram& line : program.stages) {
    states *= line.size() + 1;
    if (states > most) {
      return false;
    }
  }
  return true;
}

void try_all(Stages& stages, const Moves& moves) {
  std::unordered_set<std::string> seen;
  std::vector<State> open = {stages.begin()};
  while (!open.empty()) {
    const State state = std::move(open.back());
    open.pop_back();
    if (!seen.insert(state.key()).second) {
      continue;
    }
    const std::vector<Move> next = moves.of(state);
    if (next.empty()) {
      stages.judge(state);
    }
    for (const Move& move : next) {
      open.push_back(state);
      make(move, stages, open.back());
    }
  }
}

void try_one(Stages& stages, const Moves& moves, std::mt19937_64& random) {
  State state = stages.begin();
  for (std::vector<Move> next = moves.of(state); !next.empty(); next = moves.of(state)) {
    make(next[random() % next.size()], stages, state);
  }
  stages.judge(state);
}

}  // namespace

Outcome interpret(const Program& program, const ReductionShape& reductions, const Bounds& bounds,
                  std::uint64_t seed, std::size_t most_states) {
  Stages stages(program, reductions, bounds);
  const Moves moves(program, bounds, stages);
  Outcome outcome{.trouble = {}, .peaks = {}, .exhaustive = has_few_states(program, most_states)};
  try {
    if (outcome.exhaustive) {
      try_all(stages, moves);
    } else {
      constexpr int kTries = 3;
      std::mt19937_64 random(seed);
      for (int i = 0; i < kTries; ++i) {
        try_one(stages, moves, random);
      }
    }
  } catch (const Trouble& trouble) {
    outcome.trouble = trouble.text;
  }
  outcome.peaks = stages.peaks();
  return outcome;
}

}  // namespace stagecraft::test
