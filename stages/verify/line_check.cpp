#include "stages/verify/line_check.h"

#include <algorithm>

namespace stagecraft {
namespace {

/// Checks one line after the other, using the position of every instruction with a micro-batch.
class LineCheck {
 public:
  LineCheck(const Program& program, const ReductionShape& reductions,
            const DiagnosticWriter& diagnose)
      : program_(program),
        reductions_(reductions),
        diagnose_(diagnose),
        training_(trains(program)),
        chunks_(program.stages.size()),
        local_of_chunk_(static_cast<std::size_t>(program.chunks)) {
    for (int chunk = 0; chunk < program.chunks; ++chunk) {
      auto& owned = chunks_[static_cast<std::size_t>(stage_of(chunk))];
      local_of_chunk_[static_cast<std::size_t>(chunk)] = owned.size();
      owned.push_back(chunk);
    }
  }

  Check run(int stage) {
    stage_ = stage;
    const auto index = static_cast<std::size_t>(stage);
    const StageProgram& line = program_.stages[index];
    positions_.assign(kOpsWithMicrobatch * chunks_[index].size() *
                          static_cast<std::size_t>(program_.microbatches),
                      kAbsent);
    if (Check found = fill(line)) {
      return found;
    }
    for (const int chunk : chunks_[index]) {
      for (int m = 0; m < program_.microbatches; ++m) {
        if (Check found = check_microbatch(chunk, m)) {
          return found;
        }
      }
    }
    return check_end_of_step(line);
  }

 private:
  // They come first in Op.
  static constexpr std::size_t kOpsWithMicrobatch =
      count_of(OpKind::compute) + count_of(OpKind::transfer);
  static constexpr int kAbsent = -1;

  int stage_of(int chunk) const { return program_.stage_of_chunk[static_cast<std::size_t>(chunk)]; }

  /// The position of an instruction of the current stage.
  int& position(const Instruction& i) {
    const std::size_t local = local_of_chunk_[static_cast<std::size_t>(i.chunk)];
    return positions_[(local * kOpsWithMicrobatch + static_cast<std::size_t>(i.op)) *
                          static_cast<std::size_t>(program_.microbatches) +
                      static_cast<std::size_t>(i.microbatch)];
  }
  bool has(const Instruction& i) { return position(i) != kAbsent; }
  InstructionSite step(const Instruction& i) { return {stage_, position(i), i}; }

  Check fill(const StageProgram& line) {
    for (std::size_t at = 0; at < line.size(); ++at) {
      for (const Instruction& i : line[at]) {
        if (!has_microbatch(i.op)) {
          continue;
        }
        if (has(i)) {
          return diagnose_("{} is repeated: {}; remove one", step(i),
                           InstructionSite{stage_, static_cast<int>(at), i});
        }
        position(i) = static_cast<int>(at);
      }
    }
    return {};
  }

  Check check_microbatch(int chunk, int m) {
    Check found = check_forward(chunk, m);
    if (!found && training_) {
      found = check_backward(chunk, m);
    }
    return found;
  }

  /// Both must be on the line, `earlier` before `later`.
  Check ordered(const Instruction& earlier, const Instruction& later) {
    for (const Instruction& i : {earlier, later}) {
      if (!has(i)) {
        return diagnose_("{} is missing on stage {}; add it", i, stage_);
      }
    }
    return position(earlier) >= position(later) ? come_after(step(later), step(earlier)) : Check();
  }

  Check check_forward(int chunk, int m) {
    const Instruction forward{Op::forward, chunk, m};
    if (!has(forward)) {
      return diagnose_("{} is missing on stage {}; add it", forward, stage_);
    }
    if (chunk > 0) {
      const bool here = stage_of(chunk - 1) == stage_;
      const Instruction input = here ? Instruction{Op::forward, chunk - 1, m}
                                     : Instruction{Op::receive_activation, chunk, m};
      if (Check found = ordered(input, forward)) {
        return found;
      }
    }
    if (chunk + 1 < program_.chunks && stage_of(chunk + 1) != stage_) {
      return ordered(forward, {Op::send_activation, chunk, m});
    }
    return {};
  }

  /// Checks that B, or I and W, compute each gradient once.
  Check check_halves(int chunk, int m) {
    const Instruction both{Op::backward, chunk, m};
    const Instruction input{Op::backward_input, chunk, m};
    const Instruction weight{Op::backward_weight, chunk, m};
    if (has(both) && (has(input) || has(weight))) {
      return diagnose_("{} repeats the computation of {}; keep B, or I and W", step(both),
                       step(has(input) ? input : weight));
    }
    if (has(both)) {
      return {};
    }
    if (!has(input) && !has(weight)) {
      return diagnose_(
          "chunk {} lacks the gradients of micro-batch {}: add {}, or {} and {}, on "
          "stage {}",
          chunk, m, both, input, weight, stage_);
    }
    return ordered(input, weight);
  }

  /// The instruction that computes the gradient of the chunk's input. Requires check_halves.
  Instruction gradient(int chunk, int m) {
    const Instruction both{Op::backward, chunk, m};
    return has(both) ? both : Instruction{Op::backward_input, chunk, m};
  }
  Instruction weight_gradient(int chunk, int m) {
    const Instruction both{Op::backward, chunk, m};
    return has(both) ? both : Instruction{Op::backward_weight, chunk, m};
  }

  Check check_backward(int chunk, int m) {
    if (Check found = check_halves(chunk, m)) {
      return found;
    }
    if (Check found = ordered({Op::forward, chunk, m}, gradient(chunk, m))) {
      return found;
    }
    if (Check found = check_weight_order(chunk, m)) {
      return found;
    }
    return check_gradient_flow(chunk, m);
  }

  Check check_weight_order(int chunk, int m) {
    if (m == 0) {
      return {};
    }
    const InstructionSite before = step(weight_gradient(chunk, m - 1));
    const InstructionSite here = step(weight_gradient(chunk, m));
    if (before.position > here.position) {
      return diagnose_("{} adds weight gradients before {}; keep them in micro-batch order", here,
                       before);
    }
    return {};
  }

  Check check_gradient_flow(int chunk, int m) {
    const Instruction mine = gradient(chunk, m);
    if (chunk + 1 < program_.chunks && stage_of(chunk + 1) != stage_) {
      if (Check found = ordered({Op::receive_gradient, chunk, m}, mine)) {
        return found;
      }
    }
    if (chunk == 0) {
      return {};
    }
    if (stage_of(chunk - 1) != stage_) {
      return ordered(mine, {Op::send_gradient, chunk, m});
    }
    return ordered(mine, gradient(chunk - 1, m));  // check_halves of it has run: chunks ascend
  }

  /// All that ends the step must be there, each where its gradients are complete.
  Check check_end_of_step(const StageProgram& line) {
    const std::vector<Instruction> due =
        training_ ? due_reductions(program_, stage_, reductions_) : std::vector<Instruction>();
    std::vector<InstructionSite> there;
    for (std::size_t at = 0; at < line.size(); ++at) {
      if (ends_step(line[at].front().op)) {
        there.push_back(site_at(line, static_cast<std::ptrdiff_t>(at)));
      }
    }
    if (!is_permutation(there, due)) {
      return diagnose_(R"(stage {} reduces "{}" where "{}" is expected; write that)", stage_,
                       text_of(instructions_of(there)), text_of(due));
    }
    for (std::size_t at = 0; at < there.size(); ++at) {
      if (Check found = check_place(there, at, line)) {
        return found;
      }
    }
    return {};
  }

  static bool is_permutation(const std::vector<InstructionSite>& there,
                             const std::vector<Instruction>& due) {
    const std::vector<Instruction> found = instructions_of(there);
    return std::is_permutation(found.begin(), found.end(), due.begin(), due.end());
  }

  /// D comes behind the weight gradients of its chunk; T, which waits for another stage, behind all
  /// compute and transfers; TD behind T; U behind all.
  Check check_place(const std::vector<InstructionSite>& there, std::size_t at,
                    const StageProgram& line) {
    const InstructionSite& here = there[at];
    switch (here.instruction.op) {
      case Op::reduce_data:
        return not_before(here,
                          step(weight_gradient(here.instruction.chunk, program_.microbatches - 1)));
      case Op::reduce_tied: {
        const auto last = std::find_if(line.rbegin(), line.rend(), [](const TransferGroup& group) {
          return !ends_step(group.front().op);
        });
        return not_before(here, site_at(line, line.rend() - last - 1));
      }
      case Op::reduce_tied_data:
        return not_before(here, *std::find_if(there.begin(), there.end(), [](const auto& site) {
                            return site.instruction.op == Op::reduce_tied;
                          }));
      default:  // U
        return not_before(here, site_at(line, std::ssize(line) - 1));
    }
  }

  InstructionSite site_at(const StageProgram& line, std::ptrdiff_t position) const {
    return {stage_, static_cast<int>(position), line[static_cast<std::size_t>(position)].front()};
  }

  Check not_before(const InstructionSite& here, const InstructionSite& earlier) {
    return here.position < earlier.position ? come_after(here, earlier) : Check();
  }

  Check come_after(const InstructionSite& here, const InstructionSite& earlier) {
    return diagnose_("{} must come after {}; move one of them", here, earlier);
  }

  static std::vector<Instruction> instructions_of(const std::vector<InstructionSite>& sites) {
    std::vector<Instruction> instructions;
    std::transform(sites.begin(), sites.end(), std::back_inserter(instructions),
                   [](const InstructionSite& site) { return site.instruction; });
    return instructions;
  }

  static std::string text_of(const std::vector<Instruction>& instructions) {
    std::vector<std::string> texts;
    std::transform(instructions.begin(), instructions.end(), std::back_inserter(texts),
                   [](const Instruction& i) { return to_string(i); });
    return fmt::format("{}", fmt::join(texts, " "));
  }

  const Program& program_;
  const ReductionShape& reductions_;
  const DiagnosticWriter& diagnose_;
  bool training_;
  std::vector<std::vector<int>> chunks_;  // of each stage
  std::vector<std::size_t> local_of_chunk_;
  int stage_ = 0;
  std::vector<int> positions_;  // of the stage's instructions: chunk, op, micro-batch
};

}  // namespace

Check check_lines(const Program& program, const ReductionShape& reductions,
                  const DiagnosticWriter& diagnose) {
  LineCheck lines(program, reductions, diagnose);
  for (int stage = 0; stage < static_cast<int>(program.stages.size()); ++stage) {
    if (Check found = lines.run(stage)) {
      return found;
    }
  }
  return {};
}

}  // namespace stagecraft
