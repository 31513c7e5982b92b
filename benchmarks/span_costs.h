// Mean costs of a run, from its spans.
#pragma once

#include <algorithm>
#include <map>
#include <vector>

#include "actors/run_training.h"
#include "benchmarks/measure.h"
#include "stages/simulate.h"

namespace stagecraft::bench {

/// When the rank waited for its next instruction until `until`.
inline std::int64_t waiting_since(const std::vector<Span>& spans, std::int64_t until) {
  constexpr std::int64_t kBetweenNs = 100'000;  // from the wait's end to the instruction's begin
  for (const Span& span : spans) {
    if (span.lane == Lane::schedule && span.name.starts_with("wait") && span.end_ns <= until &&
        span.end_ns > until - kBetweenNs) {
      return span.begin_ns;
    }
  }
  return until;
}

struct Sum {
  double ms = 0;
  int count = 0;
  void add(std::int64_t ns) {
    ms += static_cast<double>(ns) * 1e-6;
    ++count;
  }
  double mean() const { return count == 0 ? 0 : ms / count; }
};

/// In milliseconds; one for all chunks. A transfer counts, from its send's begin until its
/// receive's, where the receiver waited already when it was sent.
inline CostTable span_costs(const std::vector<RankReport>& ranks) {
  std::map<char, Sum> compute;
  std::map<std::uint64_t, std::int64_t> sent;  // by flow
  for (const RankReport& rank : ranks) {
    for (const Span& span : rank.spans) {
      if (span.lane == Lane::compute) {
        compute[span.name.front()].add(span.end_ns - span.begin_ns);
      } else if (span.lane == Lane::send) {
        sent[span.flow] = span.begin_ns;
      }
    }
  }
  Sum transfer;
  for (const RankReport& rank : ranks) {
    for (const Span& span : rank.spans) {
      if (span.lane == Lane::receive &&
          waiting_since(rank.spans, span.begin_ns) < sent.at(span.flow)) {
        transfer.add(span.begin_ns - sent.at(span.flow));
      }
    }
  }
  CostTable costs{.chunks = {{compute['F'].mean(), compute['I'].mean(), compute['W'].mean(), {}}},
                  .transfer = transfer.mean()};
  if (compute['B'].count > 0) {
    costs.chunks[0].backward = compute['B'].mean();
  }
  return costs;
}

}  // namespace stagecraft::bench
