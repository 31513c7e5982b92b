#include "stages/predict/text_diagram.h"

#include <catch2/catch.hpp>
#include <regex>

#include "kernels/base/error.h"
#include "stages/program/program_text.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"

namespace stagecraft {
namespace {

Program two_stages() { return with_transfers(gpipe({2, 2})); }

TEST_CASE("a diagram and its gaps are to scale") {
  const Program program = two_stages();
  const CostTable costs{.chunks = {{.forward = 1, .backward_input = 1.5, .backward_weight = 0.5}},
                        .transfer = 2};
  CHECK(draw(program, simulate(program, costs), {}) ==
        "stage 0 |F0 F1                         B0=== B1===|\n"
        "stage 1 |         F0    F1 B0=== B1===            |\n");
}

TEST_CASE("labels include the chunk if a stage has several") {
  const Program program = parse_program(
      "program stages 1 chunks 2 microbatches 1\n"
      "0: 0F0 1F0 1I0 0I0 1W0 0W0\n");
  CHECK(draw(program, simulate(program, {}), {}) == "stage 0 |0F0 1F0 1I0 0I0 1W0 0W0|\n");
}

TEST_CASE("colours do not change the text, and cutting a row does not cut colour sequences") {
  const Program program = two_stages();
  const Timeline timeline = simulate(program, {});
  for (const int columns : {24, 30, 31, 100}) {
    const std::string plain = draw(program, timeline, {.columns = columns});
    const std::string coloured = draw(program, timeline, {.columns = columns, .colour = true});
    CHECK(coloured.find("\x1b[30;46mF0\x1b[0m") != std::string::npos);
    CHECK(std::regex_replace(coloured, std::regex("\x1b\\[[0-9;]*m"), "") == plain);
  }
}

TEST_CASE("very different costs are drawn; a program without cost is refused") {
  const Program program = two_stages();
  const CostTable uneven{.chunks = {{.forward = 1, .backward = 1e12}}};
  const std::string text = draw(program, simulate(program, uneven), {.columns = 60});
  CHECK(text.size() == 122);
  const CostTable nothing{.chunks = {{.forward = 0, .backward = 0}}, .transfer = 1};
  CHECK_THROWS_AS(draw(program, simulate(program, nothing), {}), Error);
}

}  // namespace
}  // namespace stagecraft
