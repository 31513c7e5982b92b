#include "stages/predict/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "kernels/base/error.h"
#include "stages/program/channel_numbers.h"
#include "stages/verify/live_memory.h"

namespace stagecraft {
namespace {

/// The state of one channel, and which of its ends waits for the other.
struct Traffic {
  /// When the last tensor in this slot arrived, and when it was received.
  struct Slot {
    double arrived = 0;
    double received = 0;
  };
  std::vector<Slot> slots;  // used round-robin
  std::size_t sent = 0;
  std::size_t received = 0;
  bool source_waits = false;
  bool destination_waits = false;

  Slot& slot(std::size_t sequence) { return slots[sequence % slots.size()]; }
};

class Simulator {
 public:
  Simulator(const Program& program, const CostTable& costs)
      : program_(program),
        costs_(costs),
        stages_(program.stages.size()),
        channels_(program.stage_of_chunk) {
    timeline_.stages.resize(stages_.size());
  }

  Timeline run() {
    check_costs(costs_, program_.chunks);
    Traffic unused;
    unused.slots.resize(static_cast<std::size_t>(costs_.slots));
    traffic_.assign(channels_.edges().size(), unused);
    for (std::size_t stage = 0; stage < stages_.size(); ++stage) {
      timeline_.stages[stage].actions.reserve(instructions(stage));
      take_up_group(stage);
      go_on(stage);
    }
    while (!awake_.empty()) {
      const std::size_t stage = awake_.back();
      awake_.pop_back();
      stages_[stage].awake = false;
      go_on(stage);
    }
    check_end();
    add_up();
    return std::move(timeline_);
  }

 private:
  struct Stage {
    double now = 0;        // when the current group was issued
    double group_end = 0;  // the latest end of its members so far
    double reduced = 0;    // when the reductions that overlap have ended
    std::size_t position = 0;
    std::vector<bool> fired;  // of the current group's members
    bool awake = false;
  };
  /// A synchronization point (T or U): the stages that have reached it, and when the last did.
  struct Rendezvous {
    std::vector<std::size_t> stages;
    double begin = 0;
  };

  double cost(const Instruction& i) const { return duration_of(costs_, i); }

  std::size_t instructions(std::size_t stage) const {
    std::size_t count = 0;
    for (const TransferGroup& group : program_.stages[stage]) {
      count += group.size();
    }
    return count;
  }

  bool at_end(std::size_t stage) const {
    return stages_[stage].position == program_.stages[stage].size();
  }
  const TransferGroup& group(std::size_t stage) const {
    return program_.stages[stage][stages_[stage].position];
  }

  void wake(std::size_t stage) {
    if (!stages_[stage].awake) {
      stages_[stage].awake = true;
      awake_.push_back(stage);
    }
  }

  /// Runs the stage until a group waits, or to the end.
  void go_on(std::size_t stage) {
    while (!at_end(stage) && fire_members(stage)) {
      advance(stage);
    }
  }

  void take_up_group(std::size_t stage) {
    if (!at_end(stage)) {
      Stage& s = stages_[stage];
      s.group_end = s.now;
      s.fired.assign(group(stage).size(), false);
      auto& actions = timeline_.stages[stage].actions;
      for (const Instruction& i : group(stage)) {
        actions.push_back({i, s.now, s.now, s.now});
      }
    }
  }

  void advance(std::size_t stage) {
    stages_[stage].now = stages_[stage].group_end;
    ++stages_[stage].position;
    take_up_group(stage);
  }

  /// Fires the members of the current group that can fire; true if all have fired.
  bool fire_members(std::size_t stage) {
    Stage& s = stages_[stage];
    const TransferGroup& members = group(stage);
    auto& actions = timeline_.stages[stage].actions;
    bool all = true;
    for (std::size_t member = 0; member < members.size(); ++member) {
      if (!s.fired[member]) {
        Action& action = actions[actions.size() - members.size() + member];
        s.fired[member] = fire(stage, action);
        s.group_end = s.fired[member] ? std::max(s.group_end, action.end) : s.group_end;
        all = all && s.fired[member];
      }
    }
    return all;
  }

  bool fire(std::size_t stage, Action& action) {
    const Op op = action.instruction.op;
    switch (traits(op).group) {
      case OpGroup::peer:
        return is_send(op) ? send(action) : receive(action);
      case OpGroup::all:
        await_reductions(stage, action);
        return rendezvous(stage, action, update_, stages_.size());
      case OpGroup::tied:
        return model_ends(program_.stage_of_chunk).on_two_stages()
                   ? rendezvous(stage, action, tied_, 2)
                   : occupy(action, action.came);
      case OpGroup::tensor:
        return occupy(action, action.came);
      case OpGroup::data:
        return overlaps(costs_, op) ? start(stage, action) : occupy(action, action.came);
    }
    return false;
  }

  /// The stage goes on at once.
  bool start(std::size_t stage, const Action& action) {
    StageTimeline& timeline = timeline_.stages[stage];
    double& reduced = stages_[stage].reduced;
    const double begin = std::max(reduced, action.came);
    reduced = begin + cost_of(costs_, action.instruction.op, action.instruction.chunk);
    const auto number = static_cast<std::size_t>(&action - timeline.actions.data());
    timeline.reductions.push_back({number, begin, reduced});
    return true;
  }

  void await_reductions(std::size_t stage, Action& update) {
    const double wait = stages_[stage].reduced - update.came;
    if (wait > 0) {
      timeline_.stages[stage].reduction_wait = wait;
      update.came += wait;
    }
  }

  bool occupy(Action& action, double begin) const {
    action.begin = begin;
    action.end = begin + cost(action.instruction);
    return true;
  }

  bool send(Action& action) {
    const std::size_t channel = channels_.of(action.instruction);
    Traffic& traffic = traffic_[channel];
    if (traffic.sent == traffic.received + traffic.slots.size()) {
      traffic.source_waits = true;
      return false;
    }
    const double before = traffic.sent == 0 ? 0 : traffic.slot(traffic.sent - 1).arrived;
    Traffic::Slot& slot = traffic.slot(traffic.sent++);
    action.begin = action.end = std::max(action.came, slot.received);
    slot.arrived = std::max(action.end, before) + costs_.transfer;
    if (std::exchange(traffic.destination_waits, false)) {
      wake(static_cast<std::size_t>(channels_.edges()[channel].destination));
    }
    return true;
  }

  bool receive(Action& action) {
    const std::size_t channel = channels_.of(action.instruction);
    Traffic& traffic = traffic_[channel];
    if (traffic.received == traffic.sent) {
      traffic.destination_waits = true;
      return false;
    }
    const double before = traffic.received == 0 ? 0 : traffic.slot(traffic.received - 1).received;
    Traffic::Slot& slot = traffic.slot(traffic.received++);
    action.begin = action.end = std::max({action.came, slot.arrived, before});
    slot.received = action.end;
    if (std::exchange(traffic.source_waits, false)) {
      wake(static_cast<std::size_t>(channels_.edges()[channel].source));
    }
    return true;
  }

  /// Fires the action when `due` stages have reached the synchronization point.
  bool rendezvous(std::size_t stage, Action& action, Rendezvous& rendezvous, std::size_t due) {
    auto& there = rendezvous.stages;
    if (std::find(there.begin(), there.end(), stage) == there.end()) {
      there.push_back(stage);
      rendezvous.begin = std::max(rendezvous.begin, action.came);
      if (there.size() == due) {
        std::for_each(there.begin(), there.end(), [this](std::size_t other) { wake(other); });
      }
    }
    return there.size() >= due && occupy(action, rendezvous.begin);
  }

  void check_end() const {
    for (std::size_t stage = 0; stage < stages_.size(); ++stage) {
      if (!at_end(stage)) {
        const Stage& s = stages_[stage];
        const auto member = static_cast<std::size_t>(
            std::find(s.fired.begin(), s.fired.end(), false) - s.fired.begin());
        const Instruction& i = group(stage)[member];
        throw Error(
            "simulate",
            fmt::format("the program deadlocks: stage {} is at {} (position {}) and waits for {}",
                        stage, to_string(i), s.position, awaited(i, program_.stage_of_chunk)));
      }
    }
  }

  void add_up() {
    for (const Stage& stage : stages_) {
      timeline_.makespan = std::max(timeline_.makespan, stage.now);
    }
    const std::vector<StagePeak> peaks = peaks_of(program_, {});
    for (std::size_t index = 0; index < peaks.size(); ++index) {
      StageTimeline& stage = timeline_.stages[index];
      for (const Action& action : stage.actions) {
        stage.busy += cost(action.instruction);
      }
      stage.idle = timeline_.makespan - stage.busy - stage.reduction_wait;
      stage.peak_activations = peaks[index].activations;
      stage.peak_weight_stashes = peaks[index].weight_stashes;
      timeline_.bubble += stage.idle;
    }
    if (timeline_.makespan > 0) {
      timeline_.bubble /= timeline_.makespan * static_cast<double>(timeline_.stages.size());
    }
  }

  const Program& program_;
  const CostTable& costs_;
  std::vector<Stage> stages_;
  ChannelNumbers channels_;
  std::vector<Traffic> traffic_;  // by channel
  std::vector<std::size_t> awake_;
  Rendezvous tied_;
  Rendezvous update_;
  Timeline timeline_;
};

}  // namespace

Timeline simulate(const Program& program, const CostTable& costs) {
  return Simulator(program, costs).run();
}

}  // namespace stagecraft
