#include "launch/artifacts/trace_file.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

using namespace stagecraft;
using nlohmann::json;

namespace {

// Two stages, one micro-batch; the last send has no receive.
std::vector<RankSpans> two_ranks() {
  RankSpans first;
  first.spans = {{Lane::schedule, "step 1", 1000, 9000, 0},
                 {Lane::compute, "F 0", 1100, 2000, 0},
                 {Lane::send, "send act 0", 2000, 2000, 11},
                 {Lane::receive, "receive grad 0", 2100, 7000, 12},
                 {Lane::send, "send act 1", 7000, 7100, 13}};
  RankSpans second;
  second.rank = 1;
  second.coordinate = {.pipeline = 1};
  second.spans = {{Lane::schedule, "step \"1\"", 1000, 9000, 0},
                  {Lane::receive, "receive act 0", 1000, 2200, 11},
                  {Lane::compute, "F 0", 2200, 3000, 0},
                  {Lane::send, "send grad 0", 5000, 5500, 12}};
  return {first, second};
}

std::vector<json> events_of(const json& trace, const std::string& phase) {
  std::vector<json> events;
  for (const json& event : trace["traceEvents"]) {
    if (event["ph"] == phase) {
      events.push_back(event);
    }
  }
  return events;
}

std::int64_t ns(const json& microseconds) { return std::llround(microseconds.get<double>() * 1e3); }

struct Slice {
  std::int64_t begin, end;
};

using Lanes = std::map<std::pair<int, int>, std::vector<Slice>>;

Lanes slices_of(const json& trace) {
  Lanes lanes;
  for (const json& event : events_of(trace, "X")) {
    const std::int64_t begin = ns(event["ts"]);
    lanes[{event["pid"], event["tid"]}].push_back({begin, begin + ns(event["dur"])});
  }
  return lanes;
}

bool nest_or_follow(const Slice& a, const Slice& b) {
  const bool apart = a.end <= b.begin || b.end <= a.begin;
  const bool within =
      (a.begin <= b.begin && b.end <= a.end) || (b.begin <= a.begin && a.end <= b.end);
  return apart || within;
}

bool lies_in_a_slice(const json& event, const Lanes& lanes) {
  const std::int64_t at = ns(event["ts"]);
  for (const Slice& slice : lanes.at({event["pid"], event["tid"]})) {
    if (slice.begin <= at && at < slice.end) {
      return true;
    }
  }
  return false;
}

}  // namespace

TEST_CASE("a trace is JSON with one process per actor and one thread per lane") {
  const json trace = json::parse(trace_json(two_ranks(), {}, 2, 1000));
  std::set<std::string> processes, threads;
  for (const json& event : events_of(trace, "M")) {
    if (event["name"] == "process_name") {
      processes.insert(event["args"]["name"]);
    } else if (event["name"] == "thread_name" && event["pid"] == 0) {
      threads.insert(event["args"]["name"]);
    }
  }
  CHECK(processes ==
        std::set<std::string>{"stage 0 rank 0 data 0 tensor 0", "stage 1 rank 1 data 0 tensor 0"});
  CHECK(threads == std::set<std::string>{"schedule", "compute", "send", "receive", "collectives",
                                         "optimizer", "reductions"});
}

TEST_CASE("slices keep their names, count from the origin and nest in every lane") {
  const json trace = json::parse(trace_json(two_ranks(), {}, 2, 1000));
  const std::vector<json> slices = events_of(trace, "X");
  REQUIRE(slices.size() == 9);
  CHECK(slices[0]["name"] == "step 1");
  CHECK(slices[5]["name"] == "step \"1\"");
  CHECK(slices[1]["ts"] == 0.1);
  CHECK(slices[1]["dur"] == 0.9);
  for (const auto& [lane, entries] : slices_of(trace)) {
    for (const Slice& a : entries) {
      for (const Slice& b : entries) {
        CHECK(nest_or_follow(a, b));
      }
    }
  }
}

TEST_CASE("every arrow has one start and one later end, each inside a slice") {
  const json trace = json::parse(trace_json(two_ranks(), {}, 2, 1000));
  const Lanes lanes = slices_of(trace);
  std::map<std::uint64_t, json> begins, ends;
  for (const json& event : events_of(trace, "s")) {
    CHECK(begins.emplace(event["id"], event).second);
  }
  for (const json& event : events_of(trace, "f")) {
    CHECK(ends.emplace(event["id"], event).second);
    CHECK(event["bp"] == "e");
  }
  REQUIRE(begins.size() == 2);
  REQUIRE(ends.size() == 2);
  for (const auto& [id, begin] : begins) {
    REQUIRE(ends.count(id) == 1);
    const json& end = ends.at(id);
    CHECK(begin["cat"] == end["cat"]);
    CHECK(begin["name"] == end["name"]);
    CHECK(ns(begin["ts"]) <= ns(end["ts"]));
    CHECK(lies_in_a_slice(begin, lanes));
    CHECK(lies_in_a_slice(end, lanes));
  }
}

TEST_CASE("a run without spans gives a trace without slices") {
  const json trace = json::parse(trace_json({RankSpans{}}, {}, 1, 0));
  CHECK(events_of(trace, "X").empty());
  CHECK(json::parse(trace_json({}, {}, 0, 0))["traceEvents"].empty());
}
