#include <catch2/catch.hpp>

#include "kernels/base/error.h"
#include "stages/predict/text_diagram.h"
#include "stages/program/program.h"
#include "stages/program/program_text.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "tests/stages/schedules/every_schedule.h"

namespace stagecraft {
namespace {

TEST_CASE("instructions print and parse back") {
  for (const std::string text :
       {"2F0", "0B11", "3I4", "3W4", "0SA1", "1RA1", "1SG2", "0RG2", "0T", "3D", "U"}) {
    CHECK(to_string(parse_instruction(text)) == text);
  }
}

TEST_CASE("the error of a wrong instruction says what is wrong") {
  using Catch::Matchers::Contains;
  CHECK_THROWS_WITH(parse_instruction("F0"), Contains("number is missing"));
  CHECK_THROWS_WITH(parse_instruction("2X0"), Contains("\"X\" is none of F, B"));
  CHECK_THROWS_WITH(parse_instruction("2F"), Contains("number is missing"));
  CHECK_THROWS_WITH(parse_instruction("2F0x"), Contains("unexpected \"x\""));
  CHECK_THROWS_WITH(parse_instruction("99999999999F0"), Contains("too large"));
  CHECK_THROWS_WITH(parse_instruction("-1F0"), Contains("number is missing"));
  CHECK_THROWS_WITH(parse_instruction("1F-1"), Contains("\"F-\" is none of"));
  CHECK_THROWS_AS(parse_instruction(""), Error);
}

TEST_CASE("1F1B of two stages with transfers and reductions, as text") {
  const Program program = with_reductions(
      with_transfers(one_f_one_b({.stages = 2, .microbatches = 3})), {.tied = true, .data = true});
  CHECK(to_string(program) ==
        "program stages 2 chunks 2 microbatches 3\n"
        "0: 0F0 0SA0 0F1 (0SA1 0RG0) 0B0 0F2 (0SA2 0RG1) 0B1 0RG2 0B2 0D 0T 0TD U\n"
        "1: 1RA0 1F0 1B0 (1SG0 1RA1) 1F1 1B1 (1SG1 1RA2) 1F2 1B2 1SG2 1D 1T 1TD U\n");
}

TEST_CASE("programs print and parse back") {
  for (const int stages : {1, 2, 3, 4}) {
    for (const int microbatches : {1, 2, 5, 8}) {
      for (const test::NamedProgram& each : test::every_schedule(stages, microbatches)) {
        const Program program = with_reductions(with_transfers(each.program), {.tied = true});
        CHECK(parse_program(to_string(program)) == program);
      }
    }
  }
}

TEST_CASE("a program's text may have comments and empty lines") {
  const Program program = parse_program(
      "# mine\nprogram stages 1 chunks 1 microbatches 1\n\n0: 0F0 0B0 U  # all of it\n");
  CHECK(program.stages.at(0).size() == 3);
}

TEST_CASE("wrong programs get line, column and remedy") {
  using Catch::Matchers::Contains;
  const auto message = [](const std::string& text) {
    try {
      parse_program(text);
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string("nothing was wrong");
  };
  const std::string header = "program stages 1 chunks 1 microbatches 2\n";
  CHECK_THAT(message(""), Contains("begin with \"program stages"));
  CHECK_THAT(message("program stages x"), Contains("[line 1, column 16]") && Contains("number"));
  CHECK_THAT(message("program stage 1"), Contains("[line 1, column 9]"));
  CHECK_THAT(message(header), Contains("line of stage 0 of 1 is missing"));
  CHECK_THAT(message("program stages 2000000"), Contains("from 1 to 1048576"));
  CHECK_THAT(message("program stages 1 chunks 1 microbatches 1 0: 0F0"),
             Contains("[line 1, column 42]") && Contains("begin a new line"));
  CHECK_THAT(message("program stages 1 chunks 1 microbatches 9\n0: 0F0 0B0"),
             Contains("[line 1, column 1]") && Contains("more forwards than the 2 instructions"));
  CHECK_THAT(message(header + "1: 0F0"), Contains("[line 2, column 1]"));
  CHECK_THAT(message(header + "0: 0F0 0Q1"), Contains("[line 2, column 8]") && Contains("\"Q\""));
  CHECK_THAT(message(header + "0: 0F0 0F2"), Contains("beyond the 1 chunks and 2 micro-batches"));
  CHECK_THAT(message(header + "0: (0F0"), Contains("not closed"));
  CHECK_THAT(message(header + "0: 0F0)"), Contains("closes no group"));
  CHECK_THAT(message(header + "0: ((0F0))"), Contains("groups cannot be nested"));
  CHECK_THAT(message(header + "0: 0B0"), Contains("no stage runs chunk 0 forward"));
  CHECK_THAT(message(header + "0: 0F0\n1: 0F1"), Contains("one more line"));
}

TEST_CASE("text diagrams of p = 4, m = 8") {
  const TextDiagram pipedream = draw(with_transfers(one_f_one_b({4, 8})), 200);
  CHECK(pipedream.text ==
        "stage 0 |F0 F1 F2 F3                   B0=== F4 B1=== F5 B2=== F6 B3=== F7 B4===    B5==="
        "    B6===    B7===|\n"
        "stage 1 |   F0 F1 F2             B0=== F3 B1=== F4 B2=== F5 B3=== F6 B4=== F7 B5===    "
        "B6===    B7===      |\n"
        "stage 2 |      F0 F1       B0=== F2 B1=== F3 B2=== F4 B3=== F5 B4=== F6 B5=== F7 B6===    "
        "B7===            |\n"
        "stage 3 |         F0 B0=== F1 B1=== F2 B2=== F3 B3=== F4 B4=== F5 B5=== F6 B6=== F7 B7==="
        "                  |\n");
  CHECK(pipedream.makespan == 33);
  // Idle (p-1)(F+I+W) of (m+p-1)(F+I+W).
  CHECK(pipedream.bubble == Approx(3.0 / 11.0));
  CHECK(draw(with_transfers(gpipe({4, 8})), 200).bubble == Approx(3.0 / 11.0));
}

TEST_CASE("a text diagram that is too wide is cut") {
  const TextDiagram picture = draw(with_transfers(gpipe({2, 64})), 60);
  CHECK(picture.text.substr(0, picture.text.find('\n')).size() == 60);
}

}  // namespace
}  // namespace stagecraft
