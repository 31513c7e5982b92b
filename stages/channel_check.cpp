#include <algorithm>

#include "stages/program_check.h"

namespace stagecraft {
namespace {

/// Compares the ends of all channels: collects what each sends, then follows what is received.
class ChannelCheck {
 public:
  ChannelCheck(const Program& program, const Objector& object)
      : program_(program), object_(object), edges_(edges_of(program.stage_of_chunk)) {
    number(Op::receive_activation, activation_);
    number(Op::receive_gradient, gradient_);
    sent_.resize(edges_.size());
    received_.resize(edges_.size(), 0);
  }

  Check run() {
    for_each_transfer([&](const Step& step) -> Check {
      if (is_send(step.instruction.op)) {
        const Instruction receive = other_end(step.instruction);
        sent_[channel(receive)].push_back({step.position, receive.chunk, receive.microbatch});
      }
      return {};
    });
    return for_each_transfer([&](const Step& step) -> Check {
      return is_send(step.instruction.op) ? Check() : check(step);
    });
  }

 private:
  struct Sent {
    int position;
    int chunk;  // of the receiving end
    int microbatch;
  };

  /// Which of `edges_` each chunk's `receive` comes over.
  void number(Op receive, std::vector<std::size_t>& channels) const {
    channels.resize(static_cast<std::size_t>(program_.chunks));
    for (int chunk = 0; chunk < program_.chunks; ++chunk) {
      const Instruction i{receive, chunk, 0};
      const int other = other_end(i).chunk;
      if (other >= 0 && other < program_.chunks) {
        const auto found =
            std::lower_bound(edges_.begin(), edges_.end(), edge_of(i, program_.stage_of_chunk));
        channels[static_cast<std::size_t>(chunk)] =
            static_cast<std::size_t>(found - edges_.begin());
      }
    }
  }

  std::size_t channel(const Instruction& receive) const {
    const auto chunk = static_cast<std::size_t>(receive.chunk);
    return carries_activation(receive.op) ? activation_[chunk] : gradient_[chunk];
  }

  template <typename F>
  Check for_each_transfer(const F& f) const {
    for (std::size_t stage = 0; stage < program_.stages.size(); ++stage) {
      const StageProgram& line = program_.stages[stage];
      for (std::size_t position = 0; position < line.size(); ++position) {
        for (const Instruction& i : line[position]) {
          if (!is_transfer(i.op)) {
            continue;
          }
          if (Check found = f(Step{static_cast<int>(stage), static_cast<int>(position), i})) {
            return found;
          }
        }
      }
    }
    return {};
  }

  Check check(const Step& receive) {
    const std::size_t c = channel(receive.instruction);
    const Sent& due = sent_[c][received_[c]++];
    if (due.chunk == receive.instruction.chunk &&
        due.microbatch == receive.instruction.microbatch) {
      return {};
    }
    const Edge& edge = edges_[c];
    const Instruction expected{receive.instruction.op, due.chunk, due.microbatch};
    return object_(
        "the channel from stage {} to stage {} brings what {} sends where {} is to take another; "
        "list both ends in one order",
        edge.source, edge.destination, Step{edge.source, due.position, other_end(expected)},
        receive);
  }

  const Program& program_;
  const Objector& object_;
  std::vector<Edge> edges_;
  std::vector<std::size_t> activation_;  // channel of each chunk's RA
  std::vector<std::size_t> gradient_;    // and RG
  std::vector<std::vector<Sent>> sent_;  // by channel, in the source's order
  std::vector<std::size_t> received_;    // by channel, how many so far
};

}  // namespace

Check check_channels(const Program& program, const Objector& object) {
  return ChannelCheck(program, object).run();
}

}  // namespace stagecraft
