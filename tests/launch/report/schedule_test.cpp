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

TEST_CASE("the diagram is to scale: one box per instruction, as wide as its duration") {
  const Program program = small_program();
  const CostTable costs{.chunks = {{.forward = 1, .backward = 3}}, .transfer = 0.5};
  const std::string svg = schedule_svg(program, simulate(program, costs), "a < b");
  CHECK_THAT(svg, Contains("a &lt; b"));
  // 2 stages and 3 micro-batches; the legend has one box of width 14 per kind.
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

TEST_CASE("the predicted trace: no overlapping compute, waits in between, joined flows") {
  const Program program = small_program();
  const Timeline timeline = simulate(program, {.transfer = 0.5, .optimizer = 2});
  const std::vector<RankSpans> ranks =
      predicted_spans(program, timeline, {.pipeline = 2}, {0, 1}, {{}});
  REQUIRE(ranks.size() == 2);
  std::multiset<std::uint64_t> sent;
  std::multiset<std::uint64_t> received;
  for (const RankSpans& rank : ranks) {
    std::int64_t in_lanes = 0;  // compute and waits fill the stage's time
    std::int64_t last = 0;
    for (const Span& span : rank.spans) {
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
  const auto trace = nlohmann::json::parse(trace_json({}, ranks, 0, 0));
  const auto& events = trace["traceEvents"];
  CHECK(std::count_if(events.begin(), events.end(),
                      [](const auto& event) { return event["ph"] == "s"; }) == 6);
}

}  // namespace
}  // namespace stagecraft
