#include "stages/program/written_program.h"
#include "stages/predict/csv_writer.h"
#include "stages/program/program_reader.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "stages/program/program_text.h"
#include "stages/schedules/lower_program.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "tests/stages/program/message_of.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using test::message_of;

TEST_CASE("the content of a program says whether it is text or CSV") {
  const Program program = one_f_one_b({2, 3});
  CHECK(parse_written(fmt::format("# mine\n{}", to_string(program))).program == program);
  CHECK(parse_written(to_csv(program)).program == program);
  CHECK_THAT(message_of("programm"), Contains("[line 1, column 1]") && Contains("\"program\""));
}

TEST_CASE("the location of an instruction in the text is known") {
  const std::string text =
      "# two stages\nprogram stages 2 chunks 2 microbatches 1\n"
      "0: 0F0 (0SA0 0RG0) 0B0\n1: 1RA0 1F0  1B0 1SG0\n";
  const WrittenProgram written = parse_written(text);
  const auto location = [&](int stage, const char* instruction) {
    const auto found = written.location_of(stage, parse_instruction(instruction));
    return found ? std::pair(found->line, found->column) : std::pair(0, 0);
  };
  CHECK(location(0, "0RG0") == std::pair(3, 14));
  CHECK(location(1, "1B0") == std::pair(4, 14));
  CHECK(location(1, "0F0") == std::pair(0, 0));
  CHECK(parse_written("0F0,,0B0").location_of(0, {Op::backward, 0, 0})->column == 6);
}

TEST_CASE("lowering adds transfers if there are none, and the end of every line") {
  const Program program = gpipe({2, 2});
  const Program whole = with_reductions(with_transfers(program), {.tied = true});
  CHECK(lower_program(program, {.tied = true}) == whole);
  CHECK(lower_program(with_reductions(program, {.data = true}), {.tied = true}) == whole);
  // Existing transfers do not change.
  Program own = whole;
  std::swap(own.stages[0][1], own.stages[0][2]);
  CHECK(lower_program(own, {.tied = true}) == own);
}

}  // namespace
}  // namespace stagecraft
