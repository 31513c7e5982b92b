#include "launch/setup/open_files.h"

#include <sys/resource.h>

#include <catch2/catch.hpp>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

TrainingPlan plan_of(const MeshShape& mesh) {
  TrainingPlan plan;
  plan.mesh = mesh;
  for (int stage = 0; stage < mesh.pipeline; ++stage) {
    plan.program.stage_of_chunk.push_back(stage);
  }
  plan.groups = rank_groups(mesh, plan.program.stage_of_chunk, true);
  return plan;
}

/// Gives this process its limit back.
class LimitKeeper {
 public:
  LimitKeeper() { ::getrlimit(RLIMIT_NOFILE, &before_); }
  ~LimitKeeper() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  LimitKeeper(const LimitKeeper&) = delete;
  LimitKeeper& operator=(const LimitKeeper&) = delete;
  rlim_t hard() const { return before_.rlim_max; }
  void lower_to(rlim_t soft) const {
    const rlimit limit{.rlim_cur = soft, .rlim_max = before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }

 private:
  rlimit before_{};
};

rlim_t soft_limit() {
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur;
}

}  // namespace

TEST_CASE("the files of a rank grow with its connections, not with those of all pairs") {
  const TrainingPlan small = plan_of({2, 2, 1});
  const TrainingPlan large = plan_of({16, 8, 32});
  CHECK(open_files_of_rank(small, 0) < 1024);
  CHECK(open_files_of_rank(large, 0) > 2 * 4095);  // the driver's connections, and MPI's
  CHECK(open_files_of_rank(large, 0) < 3 * 4096);
  CHECK(open_files_of_rank(large, 2000) < open_files_of_rank(large, 0));
  for (const TrainingPlan& plan : {small, plan_of({1, 1, 1}), plan_of({8, 4, 2})}) {
    for (int rank = 0; rank < plan.mesh.ranks(); ++rank) {
      CHECK(open_files_of_rank(plan, rank) <= open_files_of_any_rank(plan));
    }
  }
}

TEST_CASE("the limit on open files is raised to what is needed, and never lowered") {
  const LimitKeeper keeper;
  keeper.lower_to(200);
  raise_open_files(300);
  CHECK(soft_limit() == 300);
  raise_open_files(250);
  CHECK(soft_limit() == 300);
}

TEST_CASE("a hard limit that is too low is an error with both numbers and the remedy") {
  const LimitKeeper keeper;
  if (keeper.hard() == RLIM_INFINITY) {
    WARN("skipped, this process has no hard limit");
    return;
  }
  const auto files = static_cast<std::int64_t>(keeper.hard()) + 1;
  const rlim_t before = soft_limit();
  try {
    raise_open_files(files);
    FAIL("raised beyond the hard limit");
  } catch (const ConfigError& error) {
    CHECK_THAT(error.what(), Contains(std::to_string(files)) &&
                                 Contains(std::to_string(keeper.hard())) && Contains("ulimit -Hn"));
  }
  CHECK(soft_limit() == before);
}

}  // namespace stagecraft
