#include "launch/artifacts/trace_lines.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::array<std::string_view, kLanes> kLaneNames = {
    "schedule", "compute", "send", "receive", "collectives", "optimizer", "reductions"};

Lane lane_of(std::string_view name) {
  const auto found = std::find(kLaneNames.begin(), kLaneNames.end(), name);
  require(found != kLaneNames.end(), "trace", "there is no lane \"{}\"", name);
  return static_cast<Lane>(found - kLaneNames.begin());
}

std::string line_of(const Json& json) { return json.dump() + "\n"; }

/// Whether JSON has the text as it is. So are all names and instructions: a step has many.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(),
                     [](char c) { return c >= ' ' && c <= '~' && c != '"' && c != '\\'; });
}

std::string quoted(const std::string& text) {
  return is_plain(text) ? "\"" + text + "\""
                        : Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Span span_of(const Json& json) {
  return {.lane = lane_of(json.at("lane").get<std::string>()),
          .name = json.at("name"),
          .begin_ns = json.at("begin_ns"),
          .end_ns = json.at("end_ns"),
          .flow = json.value("flow", std::uint64_t{0}),
          .step = json.at("step"),
          .instruction = json.value("instruction", "")};
}

ClockReadings readings_of(const Json& json) {
  ClockReadings all{.at_end = json.at("clocks") == "end", .readings = {}};
  for (const Json& rank : json.at("ranks")) {
    all.readings.push_back({.at_ns = rank.at("at_ns"),
                            .ahead_ns = rank.at("ahead_ns"),
                            .error_ns = rank.at("error_ns")});
  }
  return all;
}

TraceLine line_of_json(const Json& json) {
  if (json.contains("lane")) {
    return span_of(json);
  }
  if (json.contains("clocks")) {
    return readings_of(json);
  }
  return TraceEnd{.lacks_from = json.at("lacks_from"), .why = json.at("why")};
}

}  // namespace

std::string_view lane_name(Lane lane) { return kLaneNames.at(static_cast<std::size_t>(lane)); }

std::string trace_line(const Span& span) {
  std::string line = fmt::format(R"({{"step":{},"lane":"{}","name":{})", span.step,
                                 lane_name(span.lane), quoted(span.name));
  if (!span.instruction.empty()) {
    line += fmt::format(R"(,"instruction":{})", quoted(span.instruction));
  }
  line += fmt::format(R"(,"begin_ns":{},"end_ns":{})", span.begin_ns, span.end_ns);
  return line + (span.flow == 0 ? "}\n" : fmt::format(",\"flow\":{}}}\n", span.flow));
}

std::string trace_line(const ClockReadings& readings) {
  Json ranks = Json::array();
  for (const ClockReading& reading : readings.readings) {
    ranks.push_back(
        {{"at_ns", reading.at_ns}, {"ahead_ns", reading.ahead_ns}, {"error_ns", reading.error_ns}});
  }
  return line_of({{"clocks", readings.at_end ? "end" : "begin"}, {"ranks", std::move(ranks)}});
}

std::string trace_line(const TraceEnd& end) {
  return line_of({{"lacks_from", end.lacks_from}, {"why", end.why}});
}

TraceLine parse_trace_line(std::string_view line) {
  try {
    return line_of_json(Json::parse(line));
  } catch (const Json::exception& error) {
    throw Error("trace", error.what());
  }
}

}  // namespace stagecraft
