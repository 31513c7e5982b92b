#include "stages/plan/split_search.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>

#include "stages/plan/split_costs.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"

namespace stagecraft {
namespace {

struct Candidate {
  ParallelConfig parallel;
  std::int64_t micro_batch = 0;
  int microbatches = 0;
  double bound_ms = 0;  // a lower bound of the step
};

bool same_split(const RankedSplit& a, const RankedSplit& b) {
  return a.parallel.pipeline == b.parallel.pipeline && a.parallel.tensor == b.parallel.tensor &&
         a.parallel.data == b.parallel.data && a.micro_batch == b.micro_batch;
}

/// Steps that differ only by rounding are equal.
bool as_fast(const RankedSplit& a, const RankedSplit& b) {
  return a.step_ms <= b.step_ms * (1 + 1e-9);
}

bool better(const RankedSplit& a, const RankedSplit& b) {
  return as_fast(a, b) && as_fast(b, a) ? a.memory < b.memory : a.step_ms < b.step_ms;
}

class Search {
 public:
  explicit Search(const SearchRequest& request)
      : request_(request), pricer_(request.model, request.batch, request.machine) {}

  SplitSearch run() {
    for (int pipeline = 1; pipeline <= request_.devices; ++pipeline) {
      for (int tensor = 1; pipeline * tensor <= request_.devices; ++tensor) {
        if (request_.devices % (pipeline * tensor) == 0) {
          add_mesh({.pipeline = pipeline,
                    .tensor = tensor,
                    .data = request_.devices / (pipeline * tensor)});
        }
      }
    }
    std::stable_sort(
        candidates_.begin(), candidates_.end(),
        [](const Candidate& a, const Candidate& b) { return a.bound_ms < b.bound_ms; });
    for (const Candidate& candidate : candidates_) {
      const bool full = found_.best.size() >= request_.best;
      if (full && candidate.bound_ms > found_.best[request_.best - 1].step_ms) {
        ++found_.too_slow;
      } else {
        try_out(candidate);
      }
    }
    found_.best.resize(std::min(found_.best.size(), request_.best));
    found_.rejected.assign(rejected_.begin(), rejected_.end());
    return std::move(found_);
  }

 private:
  void add_mesh(const ParallelConfig& mesh) {
    const ModelConfig& model = request_.model;
    const bool divides = request_.batch.global_batch % mesh.data == 0;
    if (model.heads % mesh.tensor != 0 || !divides || mesh.pipeline > model.layers) {
      ++found_.considered;
      ++rejected_[mesh.pipeline > model.layers ? "more stages than transformer blocks"
                  : divides                    ? "tensor does not divide the heads"
                                               : "data does not divide the global batch"];
      return;
    }
    for (const ScheduleInfo& schedule : schedules()) {
      add_schedule(mesh, schedule);
    }
  }

  void add_schedule(ParallelConfig parallel, const ScheduleInfo& schedule) {
    constexpr int kMaxChunks = 8;
    parallel.schedule = schedule.name;
    if (parallel.pipeline == 1 && schedule.name != ParallelConfig{}.schedule) {
      return;  // with one stage all schedules are equivalent
    }
    const std::int64_t per_rank = request_.batch.global_batch / parallel.data;
    for (int chunks = 1; chunks <= kMaxChunks; ++chunks) {
      const bool fits = std::int64_t{parallel.pipeline} * chunks <= request_.model.layers;
      parallel.chunks = chunks;
      for (std::int64_t size = 1; schedule.takes_chunks(chunks) && fits && size <= per_rank;
           ++size) {
        if (per_rank % size == 0) {
          add({parallel, size, static_cast<int>(per_rank / size)});
        }
      }
    }
  }

  void add(Candidate candidate) {
    ++found_.considered;
    const SplitCosts costs = pricer_.price(candidate.parallel, candidate.micro_batch);
    if (costs.least_bytes() > request_.machine.memory_bytes()) {
      ++rejected_["does not fit, even with one micro-batch at a time"];
      return;
    }
    candidate.bound_ms = costs.least_ms(candidate.microbatches);
    candidates_.push_back(std::move(candidate));
  }

  void try_out(const Candidate& candidate) {
    const Program* program = program_of(candidate);
    if (program == nullptr) {
      ++rejected_["the schedule does not take so many stages and micro-batches"];
      return;
    }
    const SplitCosts costs = pricer_.price(candidate.parallel, candidate.micro_batch);
    RankedSplit split{.parallel = candidate.parallel,
                      .micro_batch = candidate.micro_batch,
                      .microbatches = candidate.microbatches,
                      .memory = costs.most_bytes(*program)};
    if (split.memory > request_.machine.memory_bytes()) {
      ++rejected_["does not fit with what its schedule holds"];
      return;
    }
    ++found_.simulated;
    const Timeline timeline = simulate(*program, costs.table);
    split.step_ms = timeline.makespan;
    split.bubble = timeline.bubble;
    insert(split);
  }

  void insert(const RankedSplit& split) {
    auto& best = found_.best;
    const auto beats = [](const RankedSplit& a, const RankedSplit& b) {
      return same_split(a, b) && as_fast(a, b) && a.memory <= b.memory;
    };
    constexpr const char* kBeaten = "another schedule of the split is as fast and holds no more";
    if (std::any_of(best.begin(), best.end(),
                    [&](const RankedSplit& other) { return beats(other, split); })) {
      ++rejected_[kBeaten];
      return;
    }
    const auto beaten = std::remove_if(
        best.begin(), best.end(), [&](const RankedSplit& other) { return beats(split, other); });
    rejected_[kBeaten] += best.end() - beaten;
    best.erase(beaten, best.end());
    best.insert(std::upper_bound(best.begin(), best.end(), split, better), split);
  }

  /// Null for sizes outside the schedule's domain. Caches programs, since many splits share one.
  const Program* program_of(const Candidate& candidate) {
    const ParallelConfig& parallel = candidate.parallel;
    const auto key =
        std::tuple(parallel.schedule, parallel.pipeline, parallel.chunks, candidate.microbatches);
    auto found = programs_.find(key);
    if (found == programs_.end()) {
      found = programs_.emplace(key, build(candidate)).first;
    }
    return found->second ? &*found->second : nullptr;
  }

  std::optional<Program> build(const Candidate& candidate) {
    const ParallelConfig& parallel = candidate.parallel;
    try {
      return with_reductions(
          with_transfers(build_schedule(parallel.schedule, {.stages = parallel.pipeline,
                                                            .microbatches = candidate.microbatches,
                                                            .chunks = parallel.chunks})),
          {.tied = pricer_.tied(), .data = true});
    } catch (const Error&) {
      return {};
    }
  }

  const SearchRequest& request_;
  SplitPricer pricer_;
  std::vector<Candidate> candidates_;
  std::map<std::tuple<std::string, int, int, int>, std::optional<Program>> programs_;
  std::map<std::string, std::int64_t> rejected_;
  SplitSearch found_;
};

}  // namespace

SplitSearch search_splits(const SearchRequest& request) { return Search(request).run(); }

}  // namespace stagecraft
