#include "stages/verify/channel_check.h"

#include "stages/program/channel_numbers.h"
#include "stages/program/edge.h"

namespace stagecraft {
namespace {

/// Compares both ends of all channels: collects the sends of each, then checks the receives against
/// them.
class ChannelCheck {
 public:
  ChannelCheck(const Program& program, const DiagnosticWriter& diagnose)
      : program_(program),
        diagnose_(diagnose),
        channels_(program.stage_of_chunk),
        sent_(channels_.edges().size()),
        received_(channels_.edges().size(), 0) {}

  Check run() {
    for_each_transfer([&](const InstructionSite& step) -> Check {
      if (is_send(step.instruction.op)) {
        const Instruction receive = other_end(step.instruction);
        sent_[channels_.of(receive)].push_back({step.position, receive.chunk, receive.microbatch});
      }
      return {};
    });
    return for_each_transfer([&](const InstructionSite& step) -> Check {
      return is_send(step.instruction.op) ? Check() : check(step);
    });
  }

 private:
  struct Sent {
    int position;
    int chunk;  // of the receiving end
    int microbatch;
  };

  template <typename F>
  Check for_each_transfer(const F& f) const {
    for (std::size_t stage = 0; stage < program_.stages.size(); ++stage) {
      const StageProgram& line = program_.stages[stage];
      for (std::size_t position = 0; position < line.size(); ++position) {
        for (const Instruction& i : line[position]) {
          if (!is_transfer(i.op)) {
            continue;
          }
          if (Check found =
                  f(InstructionSite{static_cast<int>(stage), static_cast<int>(position), i})) {
            return found;
          }
        }
      }
    }
    return {};
  }

  Check check(const InstructionSite& receive) {
    const std::size_t c = channels_.of(receive.instruction);
    const Sent& due = sent_[c][received_[c]++];
    if (due.chunk == receive.instruction.chunk &&
        due.microbatch == receive.instruction.microbatch) {
      return {};
    }
    const Edge& edge = channels_.edges()[c];
    const Instruction expected{receive.instruction.op, due.chunk, due.microbatch};
    return diagnose_(
        "the channel from stage {} to stage {} delivers the tensor of {} where {} expects another "
        "one; list sends and receives in the same order",
        edge.source, edge.destination,
        InstructionSite{edge.source, due.position, other_end(expected)}, receive);
  }

  const Program& program_;
  const DiagnosticWriter& diagnose_;
  ChannelNumbers channels_;
  std::vector<std::vector<Sent>> sent_;  // by channel, in the source's order
  std::vector<std::size_t> received_;    // by channel: receives seen so far
};

}  // namespace

Check check_channels(const Program& program, const DiagnosticWriter& diagnose) {
  return ChannelCheck(program, diagnose).run();
}

}  // namespace stagecraft
