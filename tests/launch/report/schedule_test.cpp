#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <regex>
#include <set>

#include "actors/protocol/run_report.h"
#include "launch/artifacts/trace_file.h"
#include "launch/config/config_file.h"
#include "launch/config/cost_option.h"
#include "launch/config/memory_option.h"
#include "launch/report/schedule_svg.h"
#include "launch/report/schedule_trace.h"
#include "stages/program/program_text.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

Program small_program() {
  return with_reductions(with_transfers(one_f_one_b({2, 3})), {.tied = true});
}

std::size_t count(const std::string& text, const std::string& pattern) {
  const std::regex regex(pattern);
  return static_cast<std::size_t>(
      std::distance(std::sregex_iterator(text.begin(), text.end(), regex), {}));
}

TEST_CASE("costs as words") {
  const CostTable costs = parse_cost_option("F=1.5,W=1:2:3,B=4,transfer=0.25,T=5,D=6,U=7", 3);
  REQUIRE(costs.chunks.size() == 3);
  CHECK(costs.chunks[2].forward == 1.5);
  CHECK(costs.chunks[2].backward_input == 1);
  CHECK(costs.chunks[1].backward_weight == 2);
  CHECK(costs.chunks[2].backward_weight == 3);
  CHECK(costs.chunks[0].backward == 4.0);
  CHECK(costs.transfer == 0.25);
  CHECK(costs.reduce_tied == 5);
  CHECK(costs.reduce_data == 6);
  CHECK(costs.optimizer == 7);
  CHECK_FALSE(parse_cost_option("", 2).chunks[1].backward.has_value());
}

TEST_CASE("wrong costs are named with the remedy") {
  CHECK_THROWS_WITH(parse_cost_option("F=1,X=2", 1), Contains("X=2") && Contains("F, I, W, B"));
  CHECK_THROWS_WITH(parse_cost_option("F", 1), Contains("NAME=NUMBER"));
  CHECK_THROWS_WITH(parse_cost_option("F=", 1), Contains("\"\" is no cost"));
  CHECK_THROWS_WITH(parse_cost_option("F=-1", 1), Contains("not negative"));
  CHECK_THROWS_WITH(parse_cost_option("F=nan", 1), Contains("\"nan\" is no cost"));
  CHECK_THROWS_WITH(parse_cost_option("F=1x", 1), Contains("\"1x\" is no cost"));
  CHECK_THROWS_WITH(parse_cost_option("F=1:2", 3), Contains("2 numbers for 3 chunks"));
  CHECK_THROWS_WITH(parse_cost_option("F=1,F=2", 1), Contains("twice"));
  CHECK_THROWS_AS(parse_cost_option("F=1,", 1), Error);
}

TEST_CASE("what stages hold as words") {
  const Limits limits =
      parse_memory_option("stash=100:200,weight_stash=60,tensor=1,stage=7:8:9,limit=1560", 2, 3);
  REQUIRE(limits.chunk_bytes.size() == 2);
  CHECK(limits.chunk_bytes[0].stash == 100);
  CHECK(limits.chunk_bytes[1].stash == 200);
  CHECK(limits.chunk_bytes[1].weight_stash == 60);
  CHECK(limits.tensor_bytes == 1);
  CHECK(limits.stage_bytes == std::vector<std::int64_t>{7, 8, 9});
  CHECK(limits.bytes == 1560);
  CHECK_FALSE(parse_memory_option("", 2, 3).bytes.has_value());

  CHECK_THROWS_WITH(parse_memory_option("stash=1,heap=2", 1, 1),
                    Contains("heap=2") && Contains("limit"));
  CHECK_THROWS_WITH(parse_memory_option("limit=-1", 1, 1),
                    Contains("\"-1\" is no number of bytes"));
  CHECK_THROWS_WITH(parse_memory_option("limit=1.5", 1, 1), Contains("whole number"));
  CHECK_THROWS_WITH(parse_memory_option("stash=1:2", 3, 1), Contains("2 numbers for 3 chunks"));
  CHECK_THROWS_WITH(parse_memory_option("stage=1:2", 1, 3), Contains("2 numbers for 3 stages"));
  CHECK_THROWS_WITH(parse_memory_option("limit=1,limit=2", 1, 1), Contains("twice"));
  CHECK_THROWS_AS(parse_memory_option("stash", 1, 1), BadInput);
}

TEST_CASE("the drawing is to scale: a box an instruction, as wide as it takes") {
  const Program program = small_program();
  const CostTable costs{.chunks = {{.forward = 1, .backward = 3}}, .transfer = 0.5};
  const std::string svg = schedule_svg(program, simulate(program, costs), "a < b");
  CHECK_THAT(svg, Contains("a &lt; b"));
  // Of 2 stages and 3 micro-batches; the legend has one box of 14 a kind.
  CHECK(count(svg, "<rect [^>]*width=\"18.00\" [^>]*fill=\"#9cc4f0\"") == 6);
  CHECK(count(svg, "<rect [^>]*width=\"54.00\" [^>]*fill=\"#fac878\"") == 6);
  CHECK(count(svg, "<rect [^>]*width=\"14.00\"") == 2);
  for (const char* microbatch : {"0", "1", "2"}) {
    CHECK(count(svg, "font-size=\"11\">" + std::string(microbatch) + "</text>") == 4);
  }
  CHECK_THAT(svg, Contains(">2 activations<") && Contains(">1 activation<"));
  CHECK_THAT(schedule_svg(program, simulate(program, costs), "", {{.bytes = 310}, {.bytes = 200}}),
             Contains(">2 activations, 310 bytes<") && Contains(">1 activation, 200 bytes<"));
}

TEST_CASE("a stage's later chunks are darker") {
  const Program program = parse_program(
      "program stages 1 chunks 2 microbatches 1\n"
      "0: 0F0 1F0 1I0 1W0 0I0 0W0\n");
  const std::string svg = schedule_svg(program, simulate(program, {}), "");
  const std::regex box("width=\"18.00\" height=\"22.00\" fill=\"(#[0-9a-f]{6})\"");
  std::set<std::string> fills;
  for (std::sregex_iterator at(svg.begin(), svg.end(), box), end; at != end; ++at) {
    fills.insert((*at)[1]);
  }
  CHECK(fills.size() == 6);
  CHECK_THAT(svg, Contains("darker: a later chunk") && Contains("2 activations, 1 for W"));
}

TEST_CASE("the predicted trace: compute apart, waits between, flows that join") {
  const Program program = small_program();
  const Timeline timeline = simulate(program, {.transfer = 0.5, .optimizer = 2});
  const std::vector<RankReport> reports = predicted_spans(program, timeline, {.pipeline = 2}, {{}});
  REQUIRE(reports.size() == 2);
  std::multiset<std::uint64_t> sent;
  std::multiset<std::uint64_t> received;
  for (const RankReport& report : reports) {
    std::int64_t in_lanes = 0;  // what runs and what waits fill the stage's time
    std::int64_t last = 0;
    for (const Span& span : report.spans) {
      if (span.lane == Lane::send || span.lane == Lane::receive) {
        (span.lane == Lane::send ? sent : received).insert(span.flow);
      } else {
        CHECK(span.begin_ns >= last);
        last = span.end_ns;
        in_lanes += span.end_ns - span.begin_ns;
      }
    }
    CHECK(in_lanes == std::llround(timeline.makespan * 1e6));
  }
  CHECK(sent.size() == 6);
  CHECK(sent == received);
  CHECK(std::set<std::uint64_t>(sent.begin(), sent.end()).size() == 6);
  const auto trace = nlohmann::json::parse(trace_json({}, reports, 0));
  const auto& events = trace["traceEvents"];
  CHECK(std::count_if(events.begin(), events.end(),
                      [](const auto& event) { return event["ph"] == "s"; }) == 6);
}

}  // namespace
}  // namespace stagecraft
