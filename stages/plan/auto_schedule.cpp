#include "stages/plan/auto_schedule.h"

#include <algorithm>
#include <cstdlib>
#include <limits>
#include <optional>
#include <utility>

#include "kernels/base/error.h"
#include "stages/plan/list_scheduler.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "stages/verify/verify.h"

namespace stagecraft {
namespace {

/// Lower is better. Compares the makespan first, then the sum over stages of the time at which
/// their last compute instruction ends.
struct Score {
  double makespan = std::numeric_limits<double>::infinity();
  double ends = 0;
  bool better_than(const Score& other) const {
    constexpr double kRounding = 1e-9;
    const double least = kRounding * makespan;
    return makespan < other.makespan - least ||
           (makespan <= other.makespan + least && ends < other.ends * (1 - kRounding));
  }
};

class Search {
 public:
  explicit Search(const AutoProblem& problem)
      : problem_(problem), named_left_(problem.named_budget), left_(problem.budget) {}

  AutoSchedule run() {
    try_named();
    for (const std::vector<int>& stages : placements()) {
      try_lists(stages);
    }
    require(found_.makespan < kNone, "auto",
            "no order of {} stages x {} chunks with {} micro-batches fits the memory: use smaller "
            "micro-batches, more stages, or a higher limit",
            problem_.shape.stages, problem_.shape.chunks, problem_.shape.microbatches);
    improve();
    result_.makespan = found_.makespan;
    return std::move(result_);
  }

 private:
  static constexpr double kNone = std::numeric_limits<double>::infinity();
  static constexpr int kFarthest = 4;  // the most positions by which improve() moves an instruction
  /// A loop and, with two chunks per stage, a V: the placements of the builders.
  std::vector<std::vector<int>> placements() const {
    const ScheduleShape& shape = problem_.shape;
    const int chunks = shape.stages * shape.chunks;
    std::vector<std::vector<int>> all(shape.chunks == 2 ? 2 : 1);
    for (int chunk = 0; chunk < chunks; ++chunk) {
      all.front().push_back(loop_placement(chunk, shape.stages));
      if (all.size() == 2) {
        all.back().push_back(v_placement(chunk, shape.stages));
      }
    }
    return all;
  }

  /// The score, or nothing if the program is not proven or does not fit.
  std::optional<Score> evaluate(const Program& compute) {
    const Program program = with_reductions(with_transfers(compute), {});
    if (!verify(program, {}, limits_of(compute.stage_of_chunk)).proven) {
      return {};
    }
    const Timeline timeline = simulate(program, problem_.costs);
    Score score{timeline.makespan, 0};
    for (const StageTimeline& stage : timeline.stages) {
      const auto last =
          std::find_if(stage.actions.rbegin(), stage.actions.rend(),
                       [](const Action& action) { return is_compute(action.instruction.op); });
      score.ends += last == stage.actions.rend() ? 0 : last->end;
    }
    return score;
  }

  const Limits& limits_of(const std::vector<int>& stage_of_chunk) {
    if (stage_of_chunk != placement_) {
      placement_ = stage_of_chunk;
      limits_ = problem_.limits(stage_of_chunk);
    }
    return limits_;
  }

  bool consider(Program compute, const std::string& origin) {
    const std::optional<Score> score = evaluate(compute);
    if (!score || !score->better_than(found_)) {
      return false;
    }
    found_ = *score;
    result_.compute = std::move(compute);
    result_.origin = origin;
    return true;
  }

  /// Takes an evaluation's instructions from what is `left` of a budget; false if that is too
  /// little, which also ends the budget.
  static bool spend(std::size_t instructions, std::size_t& left) {
    const bool enough = left >= instructions;
    left = enough ? left - instructions : 0;
    return enough;
  }
  bool spend(std::size_t instructions) { return spend(instructions, left_); }

  /// Estimates a program's instructions: three of compute and four transfers per chunk and
  /// micro-batch.
  std::size_t instructions() const {
    const ScheduleShape& shape = problem_.shape;
    return 7 * static_cast<std::size_t>(shape.stages) * static_cast<std::size_t>(shape.chunks) *
           static_cast<std::size_t>(shape.microbatches);
  }

  void try_named() {
    for (const std::string& name : names()) {
      if (found_.makespan < kNone && named_left_ < instructions()) {
        return;
      }
      std::optional<Program> compute = named(name);
      if (!compute) {
        continue;
      }
      spend(instructions(), named_left_);
      if (consider(std::move(*compute), name)) {
        result_.best_named = name;
        result_.named_makespan = found_.makespan;
      }
    }
  }

  /// All schedules, those that idle least first.
  static std::vector<std::string> names() {
    std::vector<std::string> all = schedule_names();
    std::stable_sort(all.begin(), all.end(), [](const std::string& a, const std::string& b) {
      return schedule_info(a).idle_order < schedule_info(b).idle_order;
    });
    return all;
  }

  std::optional<Program> named(const std::string& name) const {
    try {
      return build_schedule(name, problem_.shape);
    } catch (const Error&) {
      return {};  // outside the schedule's domain
    }
  }

  /// Limits of live activations by stage: 1F1B's, about twice that, p, about twice p, and none;
  /// each times the chunks per stage.
  std::vector<std::vector<int>> activation_bounds() const {
    const int p = problem_.shape.stages;
    const int v = problem_.shape.chunks;
    std::vector<std::vector<int>> all(5);
    for (int stage = 0; stage < p; ++stage) {
      all[0].push_back(v * (p - stage));
      all[1].push_back(v * (2 * (p - stage) - 1));
      all[2].push_back(v * p);
      all[3].push_back(v * (2 * p - 1));
    }
    return all;
  }

  void try_lists(const std::vector<int>& stage_of_chunk) {
    const ListProblem problem{.microbatches = problem_.shape.microbatches,
                              .stage_of_chunk = stage_of_chunk,
                              .costs = problem_.costs,
                              .limits = problem_.limits(stage_of_chunk)};
    const auto cost = instructions() * (1 + static_cast<std::size_t>(problem_.shape.stages) / 8);
    for (const std::vector<int>& most : activation_bounds()) {
      for (const Prefer prefer : {Prefer::backward, Prefer::alternating, Prefer::forward}) {
        for (const double patience : {0.0, 0.5, 1.0}) {
          for (const bool later_first : {true, false}) {
            const bool twin = problem_.shape.chunks == 1 && !later_first;
            if (!twin && spend(cost)) {
              try_list(problem, {prefer, later_first, true, patience, most});
            }
          }
        }
        if (spend(cost)) {
          try_list(problem, {prefer, true, false, 0, most});
        }
      }
    }
  }

  void try_list(const ListProblem& problem, const ListPolicy& policy) {
    if (std::optional<Program> program = list_schedule(problem, policy)) {
      consider(std::move(*program), "a list");
    }
  }

  /// Whether two adjacent instructions of a stage may be swapped. Not those of one micro-batch in
  /// the same or neighbouring chunks, and not those of one kind in the same chunk.
  static bool may_pass(const Instruction& earlier, const Instruction& later) {
    const auto adds = [](Op op) { return traits(op).adds_weight_gradient; };
    const bool neighbours = std::abs(earlier.chunk - later.chunk) <= 1;
    const bool same_kind = earlier.op == later.op || (adds(earlier.op) && adds(later.op));
    return !(neighbours && earlier.microbatch == later.microbatch) &&
           !(earlier.chunk == later.chunk && same_kind);
  }

  /// A lower bound of the makespan: for each stage, when its first input can arrive, plus its work.
  double bound(const std::vector<int>& stage_of_chunk) const {
    std::vector<double> begins(static_cast<std::size_t>(problem_.shape.stages), -1);
    std::vector<double> works(begins.size(), 0);
    double way = 0;
    for (std::size_t chunk = 0; chunk < stage_of_chunk.size(); ++chunk) {
      const auto stage = static_cast<std::size_t>(stage_of_chunk[chunk]);
      const auto cost = [&](Op op) { return cost_of(problem_.costs, op, static_cast<int>(chunk)); };
      way += chunk > 0 && stage_of_chunk[chunk - 1] != stage_of_chunk[chunk]
                 ? problem_.costs.transfer
                 : 0;
      begins[stage] = begins[stage] < 0 ? way : begins[stage];
      way += cost(Op::forward);
      works[stage] +=
          problem_.shape.microbatches *
          (cost(Op::forward) +
           std::min(cost(Op::backward), cost(Op::backward_input) + cost(Op::backward_weight)));
    }
    double most = 0;
    for (std::size_t stage = 0; stage < begins.size(); ++stage) {
      most = std::max(most, begins[stage] + works[stage]);
    }
    return most + problem_.costs.optimizer;
  }

  /// Moves instructions forward as long as that helps, until no move helps, the budget ends or the
  /// lower bound is reached.
  void improve() {
    constexpr double kRounding = 1 + 1e-9;
    const std::string origin = "changes of " + result_.origin;
    const double least = bound(result_.compute.stage_of_chunk);
    bool changed = true;
    while (changed && found_.makespan > least * kRounding) {
      changed = false;
      for (std::size_t stage = 0; stage < result_.compute.stages.size(); ++stage) {
        for (std::size_t i = 1; i < result_.compute.stages[stage].size(); ++i) {
          if (left_ < instructions()) {
            return;
          }
          changed = move_forward(stage, i, origin) || changed;
        }
      }
    }
  }

  bool move_forward(std::size_t stage, std::size_t i, const std::string& origin) {
    Program program = result_.compute;
    StageProgram& line = program.stages[stage];
    for (int step = 1; step <= kFarthest && i > 0; ++step, --i) {
      if (!may_pass(line[i - 1].front(), line[i].front()) || !spend(instructions())) {
        return false;
      }
      std::swap(line[i - 1], line[i]);
      if (consider(program, origin)) {
        return true;
      }
    }
    return false;
  }

  const AutoProblem& problem_;
  std::size_t named_left_;  // of named_budget
  std::size_t left_;        // of budget
  Score found_;
  AutoSchedule result_;
  std::vector<int> placement_;  // the placement that limits_ belongs to
  Limits limits_;
};

}  // namespace

AutoSchedule find_schedule(const AutoProblem& problem) { return Search(problem).run(); }

}  // namespace stagecraft
