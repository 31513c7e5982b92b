#include <fmt/format.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <functional>
#include <map>
#include <regex>

#include "kernels/base/file.h"
#include "stages/predict/csv_writer.h"
#include "stages/program/csv_cells.h"
#include "stages/program/program_reader.h"
#include "stages/schedules/lower_program.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "stages/verify/verify.h"
#include "tests/stages/program/message_of.h"
#include "tests/stages/schedules/every_schedule.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using test::message_of;

const std::vector<std::string> kMultiChunk = {"interleaved_1f1b", "interleaved_zero_bubble",
                                              "looped_bfs", "zbv_zero_bubble", "dualpipe_v"};

/// The files of one version of torch, made by make_torch_schedules.py.
struct Torch {
  std::string version;

  std::string text(const std::string& name) const {
    return read_file(fmt::format("tests/stages/program/torch_schedules/{}/{}.csv", version, name));
  }
  Program program(const std::string& name) const { return parse_written(text(name)).program; }
};
const std::vector<Torch> kTorch = {{"2.13"}, {"2.15"}};
const Torch kWithWaits = kTorch.back();

std::string without(const std::string& text, const std::string& pattern) {
  const std::string shorter = std::regex_replace(text, std::regex(",?" + pattern), "");
  return std::regex_replace(shorter, std::regex("(^|\n),"), "$1");
}

/// Two cells in place of each cell of two.
std::string without_overlap(const std::string& text) {
  return std::regex_replace(text, std::regex(R"(\((\w+);(\w+)\)OVERLAP_F_B)"), "$1,$2");
}

/// The instructions of a line that CSV has, sorted.
std::vector<std::string> instructions_of(const StageProgram& stage) {
  std::vector<std::string> texts;
  for (const TransferGroup& group : stage) {
    for (const Instruction& i : group) {
      if (!cell_text(i).empty()) {
        texts.push_back(to_string(i));
      }
    }
  }
  std::sort(texts.begin(), texts.end());
  return texts;
}

StageProgram in_single_groups(const StageProgram& stage) {
  StageProgram singles;
  for (const TransferGroup& group : stage) {
    for (const Instruction& i : group) {
      singles.push_back({i});
    }
  }
  return singles;
}

/// What one stage sends to another, as receives: in the order of the sends, and as received.
struct Ends {
  std::vector<Instruction> sent;
  std::vector<Instruction> received;
};

/// By source and destination; requires a program without groups.
std::map<std::pair<int, int>, Ends> ends_of(const Program& program) {
  std::map<std::pair<int, int>, Ends> ends;
  for (int stage = 0; stage < static_cast<int>(program.stages.size()); ++stage) {
    for (const TransferGroup& group : program.stages[static_cast<std::size_t>(stage)]) {
      const Instruction& i = group.front();
      if (is_transfer(i.op)) {
        const int other = program.stage_of_chunk.at(static_cast<std::size_t>(other_end(i).chunk));
        is_send(i.op) ? ends[{stage, other}].sent.push_back(other_end(i))
                      : ends[{other, stage}].received.push_back(i);
      }
    }
  }
  return ends;
}

Verdict verdict_of(const Program& program) { return verify(lower_program(program, {}), {}); }

void for_every_schedule(const std::function<void(const test::NamedProgram&)>& visit) {
  for (const int stages : {1, 2, 3, 4}) {
    for (const int microbatches : {1, 2, 5, 8}) {
      for (const test::NamedProgram& each : test::every_schedule(stages, microbatches)) {
        INFO(each.name << ", " << stages << " x " << each.shape.chunks << ", " << microbatches);
        visit(each);
      }
    }
  }
}

TEST_CASE("every schedule's compute is written as CSV and read back") {
  for_every_schedule([](const test::NamedProgram& each) {
    CHECK(parse_written(to_csv(each.program)).program == each.program);
    CHECK(compute_of(lower_program(each.program, {.tied = true})) == each.program);
  });
}

TEST_CASE("every schedule with transfers is written as CSV and read back, its compute in order") {
  for_every_schedule([](const test::NamedProgram& each) {
    const Program program = with_reductions(with_transfers(each.program), {.data = true});
    const Program read = parse_written(to_csv(program)).program;
    CHECK(compute_of(read) == each.program);
    for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
      CHECK(instructions_of(read.stages[stage]) == instructions_of(program.stages[stage]));
    }
  });
}

TEST_CASE("a program that is proven without groups stays proven through CSV") {
  int proven = 0;
  for_every_schedule([&](const test::NamedProgram& each) {
    Program flat = with_reductions(with_transfers(each.program), {.data = true});
    for (StageProgram& stage : flat.stages) {
      stage = in_single_groups(stage);
    }
    if (verify(flat, {.data = true}).proven) {
      const Program read = parse_written(to_csv(flat)).program;
      CHECK(verify(lower_program(read, {.data = true}), {.data = true}).counter_example.empty());
      ++proven;
    }
  });
  CHECK(proven > 40);
}

TEST_CASE("what a stage sends to another is received in that order, whatever the channel") {
  int in_order = 0;
  for_every_schedule([&](const test::NamedProgram& each) {
    const Program read = parse_written(to_csv(with_transfers(each.program))).program;
    for (const auto& [stages, ends] : ends_of(read)) {
      CHECK(ends.sent == ends.received);
      ++in_order;
    }
  });
  CHECK(in_order > 500);
}

TEST_CASE("a row has an empty cell for every idle slot") {
  CHECK(to_csv(one_f_one_b({.stages = 3, .microbatches = 3})) ==
        "0F0,0F1,0F2,,,0B0,,0B1,,0B2\r\n"
        ",1F0,1F1,,1B0,1F2,1B1,,1B2\r\n"
        ",,2F0,2B0,2F1,2B1,2F2,2B2\r\n");
}

TEST_CASE("with transfers every instruction is a cell, and what torch has to wait for has a wait") {
  const Program program = with_reductions(with_transfers(gpipe({.stages = 2, .microbatches = 1})),
                                          {.tied = true, .data = true});
  CHECK(to_csv(program) ==
        "0F0,0SEND_F0,0RECV_B0,0B0,0WAIT_SEND_F0,0REDUCE_GRAD,0WAIT_REDUCE_GRAD\r\n"
        "1RECV_F0,1F0,1B0,1SEND_B0,1REDUCE_GRAD,1WAIT_REDUCE_GRAD,1WAIT_SEND_B0\r\n");
  CHECK(to_csv(parse_written("0F0,0SEND_F0\n1RECV_F0,1F0").program) ==
        "0F0,0SEND_F0,0WAIT_SEND_F0\r\n"
        "1RECV_F0,1F0\r\n");
}

TEST_CASE("the cells are those of torch 2.15") {
  CHECK(cell_names(true) == std::vector<std::string>{"F", "B", "I", "W", "SEND_F", "WAIT_SEND_F",
                                                     "RECV_F", "SEND_B", "WAIT_SEND_B", "RECV_B"});
  CHECK(cell_names(false) ==
        std::vector<std::string>{"REDUCE_GRAD", "WAIT_REDUCE_GRAD", "UNSHARD", "RESHARD"});
  for (const bool with_microbatch : {true, false}) {
    for (const std::string& name : cell_names(with_microbatch)) {
      CHECK(parse_cell_name(name).has_value());
    }
  }
}

TEST_CASE("waits and cells for sharded weights are read and change nothing") {
  const std::string text =
      "0UNSHARD,0F0,0SEND_F0,0RECV_B0,0I0,0WAIT_SEND_F0,0W0,0REDUCE_GRAD,0WAIT_REDUCE_GRAD,"
      "0RESHARD\n"
      "1UNSHARD,1RECV_F0,1F0,1B0,1SEND_B0,1REDUCE_GRAD,1RESHARD,1WAIT_REDUCE_GRAD,1WAIT_SEND_B0\n";
  CHECK(parse_written(text).program == parse_written("0F0,0SEND_F0,0RECV_B0,0I0,0W0,0REDUCE_GRAD\n"
                                                     "1RECV_F0,1F0,1B0,1SEND_B0,1REDUCE_GRAD\n")
                                           .program);
}

TEST_CASE("a wait is refused at its cell unless its send or reduction comes before it") {
  CHECK_THAT(message_of("0F0,0WAIT_SEND_F0,0SEND_F0\n1RECV_F0,1F0"),
             Contains("[line 1, column 5]") &&
                 Contains("\"0WAIT_SEND_F0\" waits for 0SEND_F0, which does not come before it"));
  CHECK_THAT(message_of("0F0,0SEND_F0\n1RECV_F0,1F0,0WAIT_SEND_F0"),
             Contains("[line 2, column 14]") && Contains("0SEND_F0"));
  CHECK_THAT(message_of("0F0,0SEND_F0,0WAIT_SEND_F1"),
             Contains("[line 1, column 14]") && Contains("0SEND_F1"));
  CHECK_THAT(message_of("0F0,0SEND_F0,0WAIT_SEND_B0"),
             Contains("[line 1, column 14]") && Contains("0SEND_B0"));
  CHECK_THAT(message_of("0F0,0B0,0WAIT_REDUCE_GRAD,0REDUCE_GRAD"),
             Contains("[line 1, column 9]") && Contains("waits for 0REDUCE_GRAD"));
  CHECK_THAT(message_of("0F0,0B0,0REDUCE_GRAD,1WAIT_REDUCE_GRAD"),
             Contains("[line 1, column 22]") && Contains("waits for 1REDUCE_GRAD"));
}

TEST_CASE("a send, a reduction and a wait stand once in a row") {
  CHECK_THAT(message_of("0F0,0SEND_F0,0WAIT_SEND_F0,0WAIT_SEND_F0"),
             Contains("[line 1, column 28]") &&
                 Contains("\"0WAIT_SEND_F0\" is also at column 14; remove one"));
  CHECK_THAT(message_of("0F0,0SEND_F0,0SEND_F0"),
             Contains("[line 1, column 14]") && Contains("\"0SEND_F0\" is also at column 5"));
  CHECK_THAT(message_of("0F0,0B0,0REDUCE_GRAD,0REDUCE_GRAD"),
             Contains("[line 1, column 22]") && Contains("\"0REDUCE_GRAD\" is also at column 9"));
}

TEST_CASE("torch's compute files are read cell by cell") {
  for (const Torch& torch : kTorch) {
    for (const std::string& name : kMultiChunk) {
      INFO(torch.version << ", " << name);
      const std::string text = without_overlap(torch.text(name));
      const std::string cells = std::regex_replace(text, std::regex(",+|\r"), " ");
      std::string tokens;
      for (const StageProgram& stage : torch.program(name).stages) {
        for (const TransferGroup& group : stage) {
          tokens += to_string(group.front()) + " ";
        }
        tokens += "\n";
      }
      CHECK(tokens == std::regex_replace(cells, std::regex("(^|\n) +"), "$1"));
    }
  }
}

TEST_CASE("torch's files with transfers are written back unchanged") {
  std::vector<std::string> names = kMultiChunk;
  names.insert(names.end(), {"gpipe", "1f1b"});
  for (const Torch& torch : kTorch) {
    for (const std::string& name : names) {
      INFO(torch.version << ", " << name);
      // Except that cells for sharded weights are dropped, a wait for a reduction follows it at
      // once, and 2.13 has no waits.
      const Program program = torch.program(name + "_comms");
      const std::string cells = "\\d+(UNSHARD|RESHARD|WAIT_REDUCE_GRAD)";
      std::string written = without(to_csv(program), cells);
      written = torch.version == "2.13" ? without(written, "\\d+WAIT_SEND_[FB]\\d+") : written;
      CHECK(written == without(without_overlap(torch.text(name + "_comms")), cells));
    }
  }
}

TEST_CASE("torch's waits may stand anywhere behind their sends") {
  const std::string few = kWithWaits.text("few_sends_comms");
  CHECK(few != kWithWaits.text("interleaved_1f1b_comms"));
  CHECK(parse_written(few).program == kWithWaits.program("interleaved_1f1b_comms"));
}

TEST_CASE("no file of torch lacks a cell here") {
  for (const Torch& torch : kTorch) {
    const std::string folder =
        fmt::format("tests/stages/program/torch_schedules/{}", torch.version);
    for (const auto& file : std::filesystem::directory_iterator(folder)) {
      const std::string name = file.path().stem();
      INFO(torch.version << ", " << name);
      CHECK_THAT(message_of(torch.text(name)), !Contains("not a valid cell"));
    }
  }
}

TEST_CASE("torch's gpipe, 1F1B, interleaved 1F1B and ZBV equal ours") {
  for (const Torch& torch : kTorch) {
    CHECK(compute_of(torch.program("gpipe")) == gpipe({4, 8}));
    CHECK(compute_of(torch.program("1f1b_comms")) == one_f_one_b({4, 8}));
    CHECK(torch.program("interleaved_1f1b") == interleaved({4, 8, 2}));
    CHECK(torch.program("zbv_zero_bubble") == zb_v({4, 8, 2}));
  }
}

TEST_CASE("torch's files are proven if their gradients are in order") {
  for (const Torch& torch : kTorch) {
    for (const std::string name :
         {"gpipe", "gpipe_comms", "1f1b_comms", "interleaved_1f1b", "interleaved_1f1b_comms",
          "interleaved_zero_bubble", "interleaved_zero_bubble_comms", "zbv_zero_bubble",
          "zbv_zero_bubble_comms", "dualpipe_v", "dualpipe_v_comms"}) {
      INFO(torch.version << ", " << name);
      CHECK(verdict_of(torch.program(name)).counter_example.empty());
    }
    CHECK_THAT(verdict_of(torch.program("looped_bfs")).counter_example,
               Contains("micro-batch order"));
  }
}

TEST_CASE("torch's 1F1B is refused at the cell with a wrong micro-batch") {
  for (const Torch& torch : kTorch) {
    CHECK_THAT(message_of(torch.text("1f1b")),
               Contains("[line 4, column 57]") && Contains("use our 1f1b"));
  }
}

TEST_CASE("wrong CSV gets line, column and remedy") {
  CHECK_THAT(message_of("0F0,0X0"), Contains("[line 1, column 5]") && Contains("as in 0F1") &&
                                        Contains("WAIT_SEND_B, RECV_B; CHUNK NAME"));
  CHECK_THAT(message_of("0F0\n , 1F0\n,\"2F0\""),
             Contains("[line 3, column 2]") && Contains("without quotes"));
  CHECK_THAT(message_of("0F0,(0F1;0B0)"), Contains("[line 1, column 5]"));
  CHECK_THAT(message_of("0F0,(0F1;0Q0)OVERLAP_F_B"), Contains("[line 1, column 10]"));
  for (const std::string cell :
       {"0F", "F0", "-1F0", "0F-1", "0F0F0", "0F0 0B0", "0REDUCE_GRAD3", "0T", "0U", "9999999F0",
        "0f0", "0WAIT_SEND_F", "0WAIT_REDUCE_GRAD0", "0WAIT_RECV_F0", "0WAIT_F0", "0WAIT_0",
        "0UNSHARD0"}) {
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

}  // namespace
}  // namespace stagecraft
