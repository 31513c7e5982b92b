// Spans: what an actor did, when. One recorder per actor, written by its thread alone.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace stagecraft {

/// Nanoseconds of the steady clock.
inline std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

/// The lanes of one actor in a trace; spans of one lane nest or follow each other. `reductions` are
/// collectives that proceed beside the work of the other lanes.
enum class Lane : std::uint8_t {
  schedule,
  compute,
  send,
  receive,
  collectives,
  optimizer,
  reductions
};
inline constexpr int kLanes = 7;

struct Span {
  Lane lane = Lane::compute;
  std::string name;  // "F 3", "send act 3"
  std::int64_t begin_ns = 0;
  std::int64_t end_ns = 0;
  /// Joins a send to its receive in the trace: the same number on both; 0: none.
  std::uint64_t flow = 0;
  std::int64_t step = 0;
  std::string instruction = {};  // within which it was, as "2F0"; "": within none
};

/// Keeps spans while enabled, and always the total time per lane.
class SpanRecorder {
 public:
  /// Begin and end in nanoseconds, once they are known.
  using Times = std::function<std::pair<std::int64_t, std::int64_t>()>;

  void enable(bool enabled) { enabled_ = enabled; }
  bool enabled() const { return enabled_; }
  /// Spans that are added from now on are of this step and this instruction.
  void at(std::int64_t step, std::string instruction) {
    step_ = step;
    instruction_ = std::move(instruction);
  }
  void add(Lane lane, std::int64_t begin_ns, std::int64_t end_ns, std::string_view name,
           std::uint64_t flow = 0) {
    keep({lane, std::string(name), begin_ns, end_ns, flow, step_, instruction_}, enabled_);
  }
  /// A span of a device's work, which settle() asks for its times.
  void add_later(Lane lane, std::string_view name, std::uint64_t flow, Times times) {
    pending_.push_back(
        {{lane, std::string(name), 0, 0, flow, step_, instruction_}, std::move(times), enabled_});
  }
  /// What was added later gets its times; may wait for the device.
  void settle() {
    for (Pending& each : std::exchange(pending_, {})) {
      std::tie(each.span.begin_ns, each.span.end_ns) = each.times();
      keep(std::move(each.span), each.enabled);
    }
  }
  std::int64_t total_ns(Lane lane) const { return totals_ns_[static_cast<int>(lane)]; }
  /// Whether no span was kept since the last take().
  bool empty() const { return spans_.empty(); }
  /// The spans that were kept since the last call.
  std::vector<Span> take() { return std::exchange(spans_, {}); }

 private:
  struct Pending {
    Span span;
    Times times;
    bool enabled;  // when it was added
  };

  void keep(Span span, bool enabled) {
    totals_ns_[static_cast<int>(span.lane)] += span.end_ns - span.begin_ns;
    if (enabled) {
      spans_.push_back(std::move(span));
    }
  }

  bool enabled_ = false;
  std::int64_t step_ = 0;
  std::string instruction_;
  std::int64_t totals_ns_[kLanes] = {};
  std::vector<Span> spans_;
  std::vector<Pending> pending_;
};

}  // namespace stagecraft
