#include "stages/program/written_program.h"
#include "stages/predict/csv_writer.h"
#include "stages/program/program_reader.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>
#include <regex>

#include "kernels/base/file.h"
#include "stages/program/program_text.h"
#include "stages/schedules/lower_program.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "stages/verify/verify.h"
#include "tests/stages/schedules/every_schedule.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

// Made by tests/fixtures/make_torch_schedules.py.
std::string torch_text(const std::string& name) {
  return read_file(fmt::format("tests/fixtures/torch_schedules/{}.csv", name));
}

Program torch_program(const std::string& name) { return parse_written(torch_text(name)).program; }

const std::vector<std::string> kMultiChunk = {"interleaved_1f1b", "interleaved_zero_bubble",
                                              "looped_bfs", "zbv_zero_bubble", "dualpipe_v"};

std::string message_of(const std::string& text) {
  try {
    parse_written(text);
  } catch (const TextError& error) {
    return error.what();
  }
  return "nothing was wrong";
}

Verdict verdict_of(const Program& program) { return verify(lower_program(program, {}), {}); }

TEST_CASE("every schedule's compute is written as CSV and read back") {
  for (const int stages : {1, 2, 3, 4}) {
    for (const int microbatches : {1, 2, 5, 8}) {
      for (const test::NamedProgram& each : test::every_schedule(stages, microbatches)) {
        INFO(each.name << ", " << stages << " x " << each.shape.chunks << ", " << microbatches);
        CHECK(parse_written(to_csv(each.program)).program == each.program);
        CHECK(compute_of(lower_program(each.program, {.tied = true})) == each.program);
      }
    }
  }
}

TEST_CASE("a row has an empty cell for every idle slot") {
  CHECK(to_csv(one_f_one_b({.stages = 3, .microbatches = 3})) ==
        "0F0,0F1,0F2,,,0B0,,0B1,,0B2\r\n"
        ",1F0,1F1,,1B0,1F2,1B1,,1B2\r\n"
        ",,2F0,2B0,2F1,2B1,2F2,2B2\r\n");
}

TEST_CASE("with transfers every instruction is a cell that torch can read, group by group") {
  const Program program = with_reductions(with_transfers(gpipe({.stages = 2, .microbatches = 1})),
                                          {.tied = true, .data = true});
  CHECK(to_csv(program) ==
        "0F0,0SEND_F0,0RECV_B0,0B0,0REDUCE_GRAD\r\n"
        "1RECV_F0,1F0,1B0,1SEND_B0,1REDUCE_GRAD\r\n");
}

TEST_CASE("torch's compute files are read cell by cell") {
  for (const std::string& name : kMultiChunk) {
    INFO(name);
    std::string text = torch_text(name);
    text = std::regex_replace(text, std::regex("\\((\\w+);(\\w+)\\)OVERLAP_F_B"), "$1,$2");
    std::string cells = std::regex_replace(text, std::regex(",+|\r"), " ");
    std::string tokens;
    for (const StageProgram& stage : torch_program(name).stages) {
      for (const TransferGroup& group : stage) {
        tokens += to_string(group.front()) + " ";
      }
      tokens += "\n";
    }
    CHECK(tokens == std::regex_replace(cells, std::regex("(^|\n) +"), "$1"));
  }
}

TEST_CASE("torch's files with transfers are written back unchanged") {
  for (const std::string& name : kMultiChunk) {
    INFO(name);
    // Except that cells for sharded weights are dropped and reductions come last.
    std::string text = torch_text(name + "_comms");
    text = std::regex_replace(text, std::regex("\\((\\w+);(\\w+)\\)OVERLAP_F_B"), "$1,$2");
    text = std::regex_replace(text, std::regex(",?\\d+(UNSHARD|RESHARD|REDUCE_GRAD)"), "");
    text = std::regex_replace(text, std::regex("(^|\n),"), "$1");
    const std::string written = to_csv(torch_program(name + "_comms"));
    CHECK(std::regex_replace(written, std::regex(",\\d+REDUCE_GRAD"), "") == text);
    for (const StageProgram& stage : torch_program(name + "_comms").stages) {
      REQUIRE(stage.size() > 2);
      CHECK(stage[stage.size() - 1].front().op == Op::reduce_data);
      CHECK(stage[stage.size() - 2].front().chunk > stage[stage.size() - 1].front().chunk);
    }
  }
}

TEST_CASE("torch's gpipe, interleaved 1F1B and ZBV equal ours") {
  CHECK(compute_of(torch_program("gpipe")) == gpipe({4, 8}));
  CHECK(torch_program("interleaved_1f1b") == interleaved({4, 8, 2}));
  CHECK(torch_program("zbv_zero_bubble") == zb_v({4, 8, 2}));
}

TEST_CASE("torch's files are proven if their gradients are in order") {
  for (const std::string name :
       {"gpipe", "interleaved_1f1b", "interleaved_zero_bubble", "zbv_zero_bubble", "dualpipe_v"}) {
    INFO(name);
    CHECK(verdict_of(torch_program(name)).counter_example.empty());
  }
  CHECK_THAT(verdict_of(torch_program("looped_bfs")).counter_example,
             Contains("micro-batch order"));
}

TEST_CASE("torch's 1F1B is refused at the cell with a wrong micro-batch") {
  CHECK_THAT(message_of(torch_text("1f1b")),
             Contains("[line 4, column 57]") && Contains("use our 1f1b"));
}

TEST_CASE("wrong CSV gets line, column and remedy") {
  CHECK_THAT(message_of("0F0,0X0"), Contains("[line 1, column 5]") && Contains("as in 0F1"));
  CHECK_THAT(message_of("0F0\n , 1F0\n,\"2F0\""),
             Contains("[line 3, column 2]") && Contains("without quotes"));
  CHECK_THAT(message_of("0F0,(0F1;0B0)"), Contains("[line 1, column 5]"));
  CHECK_THAT(message_of("0F0,(0F1;0Q0)OVERLAP_F_B"), Contains("[line 1, column 10]"));
  for (const std::string cell : {"0F", "F0", "-1F0", "0F-1", "0F0F0", "0F0 0B0", "0REDUCE_GRAD3",
                                 "0T", "9999999F0", "0f0"}) {
    INFO(cell);
    CHECK_THAT(message_of(fmt::format("0F0,{}", cell)),
               Contains("[line 1, column 5]") && Contains("is not a valid cell"));
  }
  CHECK_THAT(message_of("0F0,0B0\n \n1F0"),
             Contains("[line 2, column 1]") && Contains("empty row"));
  CHECK(parse_written("0F0,0B0\n,\n\n").program.stages.size() == 2);
  CHECK_THAT(message_of("0F0,0B0\n1F1,1B1"), Contains("[line 2, column 1]") && Contains("beyond"));
  CHECK_THAT(message_of("0F0,2F0"), Contains("no stage runs chunk 1 forward; add 1F0"));
  CHECK_THAT(message_of("0F0,0F999"), Contains("more forwards than the 2 instructions"));
}

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
