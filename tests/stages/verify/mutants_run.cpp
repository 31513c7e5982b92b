#include "tests/stages/verify/mutants_run.h"

#include <fmt/core.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <stdexcept>

#include "stages/program/program_text.h"
#include "stages/verify/verify.h"

namespace stagecraft::test {
namespace {

/// Compute and receives, as NotingWork notes them, in groups whose members may come in any order.
std::vector<TransferGroup> noted_groups(const StageProgram& line) {
  std::vector<TransferGroup> groups;
  for (TransferGroup group : line) {
    std::erase_if(group, [](const Instruction& i) { return is_send(i.op); });
    groups.push_back(std::move(group));
  }
  return groups;
}

/// Whether the stage did its line twice, each time in the line's order.
bool did_twice(const NotingWork& work, const StageProgram& line) {
  auto done = work.done.begin();
  for (const int pass : {1, 2}) {
    static_cast<void>(pass);
    for (const TransferGroup& group : noted_groups(line)) {
      const auto size = static_cast<std::ptrdiff_t>(group.size());
      if (work.done.end() - done < size || !std::is_permutation(group.begin(), group.end(), done)) {
        return false;
      }
      done += size;
    }
  }
  return done == work.done.end();
}

/// What went wrong, or nothing.
std::string trouble_of(const Program& program, unsigned seed, const MakeChannel& make_channel) {
  const auto stages = static_cast<int>(program.stages.size());
  PipelineLoop loop(stages, seed, make_channel);
  try {
    for (const std::int64_t step : {1, 2}) {
      if (!loop.run({PassKind::train, step, 0}, program)) {
        return fmt::format("nobody can move in pass {}", step);
      }
    }
  } catch (const std::exception& error) {
    return error.what();
  }
  for (int stage = 0; stage < stages; ++stage) {
    const auto at = static_cast<std::size_t>(stage);
    if (loop.works[at]->wrong > 0 || !did_twice(*loop.works[at], program.stages[at])) {
      return fmt::format("stage {} did not do its line", stage);
    }
  }
  return {};
}

}  // namespace

void MutantRuns::run(int proven, const std::function<MakeChannel()>& make_channels) {
  for (const int end = run_ + proven; run_ < end;) {
    const Mutant mutant = source_.next();
    ++taken_;
    if (!mutant.changed ||
        !verify(mutant.program, mutant.reductions, {.slots = kReceiveSlots}).proven) {
      continue;
    }
    ++run_;
    const std::string trouble = trouble_of(mutant.program, taken_, make_channels());
    if (!trouble.empty()) {
      UNSCOPED_INFO(mutant.origin << "\n" << to_string(mutant.program) << trouble);
    }
    CHECK(trouble.empty());
  }
}

std::string MutantRuns::words() const {
  return fmt::format("{} proven mutants, of {} programs", run_, taken_);
}

}  // namespace stagecraft::test
