// The trace of a run in memory.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "actors/protocol/trace_sink.h"

namespace stagecraft::test {

/// What all ranks of this process have given to their sinks. Safe from several threads.
class MemoryTrace {
 public:
  void add(int rank, const std::vector<Span>& spans) {
    const std::lock_guard lock(mutex_);
    spans_[rank].insert(spans_[rank].end(), spans.begin(), spans.end());
  }
  void add_clocks(const ClockReadings& readings) {
    const std::lock_guard lock(mutex_);
    clocks_.push_back(readings);
  }
  void end(int rank) {
    const std::lock_guard lock(mutex_);
    ++ends_[rank];
  }

  std::vector<Span> spans(int rank) const {
    const std::lock_guard lock(mutex_);
    const auto found = spans_.find(rank);
    return found == spans_.end() ? std::vector<Span>() : found->second;
  }
  std::vector<ClockReadings> clocks() const {
    const std::lock_guard lock(mutex_);
    return clocks_;
  }
  int ends(int rank) const {
    const std::lock_guard lock(mutex_);
    return ends_.contains(rank) ? ends_.at(rank) : 0;
  }

 private:
  mutable std::mutex mutex_;
  std::map<int, std::vector<Span>> spans_;  // by rank
  std::map<int, int> ends_;                 // by rank
  std::vector<ClockReadings> clocks_;
};

class MemorySink : public TraceSink {
 public:
  MemorySink(std::shared_ptr<MemoryTrace> trace, int rank)
      : trace_(std::move(trace)), rank_(rank) {}
  bool add(const std::vector<Span>& spans) noexcept override {
    trace_->add(rank_, spans);
    return true;
  }
  void add_clocks(const ClockReadings& readings) noexcept override { trace_->add_clocks(readings); }
  void end() noexcept override { trace_->end(rank_); }

 private:
  std::shared_ptr<MemoryTrace> trace_;
  int rank_;
};

/// Every rank is traced.
inline MakeTraceSink sinks_of(const std::shared_ptr<MemoryTrace>& trace) {
  return [trace](int rank) { return std::make_unique<MemorySink>(trace, rank); };
}

}  // namespace stagecraft::test
