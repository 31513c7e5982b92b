#include "launch/artifacts/trace_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>
#include <set>

#include "launch/artifacts/trace_lines.h"

namespace stagecraft {
namespace {

using Out = std::back_insert_iterator<std::string>;

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

/// Makes a span at least one nanosecond long: an arrow cannot end in a slice of length 0.
std::int64_t end_of(const Span& span) { return std::max(span.end_ns, span.begin_ns + 1); }

/// Position and name suffix of a group of lanes, and the name of its flows.
struct TraceGroup {
  int pid = 0;
  int row = 0;
  std::string_view suffix;
  std::string_view flows;
};

class TraceWriter {
 public:
  explicit TraceWriter(std::int64_t origin_ns) : origin_ns_(origin_ns) {}

  void group(const RankSpans& rank, const TraceGroup& where,
             const std::set<std::uint64_t>& arrows) {
    group_ = where;
    name_group(rank);
    for (const Span& span : rank.spans) {
      slice(span);
      if (arrows.count(span.flow) != 0) {
        arrow_end(span);
      }
    }
  }

  std::string finish() { return R"({"displayTimeUnit":"ms","traceEvents":[)" + events_ + "\n]}\n"; }

 private:
  void name_group(const RankSpans& rank) {
    event(
        0,
        R"("ph":"M","name":"process_name","args":{{"name":"stage {} rank {} data {} tensor {}{}"}})",
        rank.coordinate.pipeline, rank.rank, rank.coordinate.data, rank.coordinate.tensor,
        group_.suffix);
    event(0, R"("ph":"M","name":"process_sort_index","args":{{"sort_index":{}}})", group_.row);
    for (int lane = 0; lane < kLanes; ++lane) {
      event(lane, R"("ph":"M","name":"thread_name","args":{{"name":"{}"}})",
            lane_name(static_cast<Lane>(lane)));
      event(lane, R"("ph":"M","name":"thread_sort_index","args":{{"sort_index":{}}})", lane);
    }
  }

  void slice(const Span& span) {
    const std::string args = span.instruction.empty()
                                 ? ""
                                 : fmt::format(R"(,"args":{{"step":{},"instruction":{}}})",
                                               span.step, quoted(span.instruction));
    event(static_cast<int>(span.lane), R"("ph":"X","name":{},"ts":{},"dur":{}{})",
          quoted(span.name), time(span.begin_ns), micros(end_of(span) - span.begin_ns), args);
  }

  // An arrow starts at the start of the send and ends at the last nanosecond of the receive, which
  // is never earlier.
  void arrow_end(const Span& span) {
    const bool starts = span.lane == Lane::send;
    event(static_cast<int>(span.lane), R"("ph":"{}",{}"cat":"{}","name":"{}","id":{},"ts":{})",
          starts ? "s" : "f", starts ? "" : R"("bp":"e",)", group_.flows, group_.flows, span.flow,
          time(starts ? span.begin_ns : end_of(span) - 1));
  }

  static std::string micros(std::int64_t ns) {
    return fmt::format("{:.3f}", static_cast<double>(ns) * 1e-3);
  }
  std::string time(std::int64_t ns) const { return micros(ns - origin_ns_); }

  template <typename... Args>
  void event(int lane, fmt::format_string<Args...> rest, Args&&... args) {
    events_ +=
        fmt::format("{}\n{{\"pid\":{},\"tid\":{},", events_.empty() ? "" : ",", group_.pid, lane);
    fmt::format_to(Out(events_), rest, std::forward<Args>(args)...);
    events_ += '}';
  }

  std::int64_t origin_ns_;
  TraceGroup group_;
  std::string events_;
};

std::set<std::uint64_t> flows_of(const std::vector<RankSpans>& ranks, Lane lane) {
  std::set<std::uint64_t> flows;
  for (const RankSpans& rank : ranks) {
    for (const Span& span : rank.spans) {
      if (span.lane == lane && span.flow != 0) {
        flows.insert(span.flow);
      }
    }
  }
  return flows;
}

std::set<std::uint64_t> paired_flows(const std::vector<RankSpans>& ranks) {
  const std::set<std::uint64_t> sent = flows_of(ranks, Lane::send);
  const std::set<std::uint64_t> received = flows_of(ranks, Lane::receive);
  std::set<std::uint64_t> both;
  std::set_intersection(sent.begin(), sent.end(), received.begin(), received.end(),
                        std::inserter(both, both.end()));
  return both;
}

}  // namespace

std::string trace_json(const std::vector<RankSpans>& measured,
                       const std::vector<RankSpans>& predicted, int predicted_pid,
                       std::int64_t origin_ns) {
  TraceWriter writer(origin_ns);
  const std::set<std::uint64_t> arrows = paired_flows(measured);
  for (const RankSpans& rank : measured) {
    writer.group(rank, {rank.rank, 2 * rank.rank + 1, "", "transfer"}, arrows);
  }
  const std::set<std::uint64_t> predicted_arrows = paired_flows(predicted);
  for (const RankSpans& rank : predicted) {
    writer.group(rank,
                 {predicted_pid + rank.rank, 2 * rank.rank, " predicted", "predicted transfer"},
                 predicted_arrows);
  }
  return writer.finish();
}

}  // namespace stagecraft
