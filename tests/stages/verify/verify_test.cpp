#include <fmt/format.h>
#include <catch2/catch.hpp>

#include "stages/program/program_text.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "stages/verify/instruction_site.h"
#include "stages/verify/verify.h"
#include "tests/stages/schedules/every_schedule.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

std::string diagnostic(const std::string& text, const ReductionShape& reductions = {}) {
  const Verdict verdict = verify(parse_program(text), reductions);
  CHECK(verdict.proven == verdict.counter_example.empty());
  return verdict.counter_example;
}

TEST_CASE("gpipe and 1f1b are proven, with their bounds of live micro-batches") {
  for (const int p : {1, 2, 3, 4, 8}) {
    for (const int m : {1, 2, 3, 8, 16}) {
      const ReductionShape reductions{.tied = true, .data = true};
      const Verdict flush =
          verify(with_reductions(with_transfers(one_f_one_b({p, m})), reductions), reductions);
      const Verdict all =
          verify(with_reductions(with_transfers(gpipe({p, m})), reductions), reductions);
      REQUIRE(flush.proven);
      REQUIRE(all.proven);
      for (int stage = 0; stage < p; ++stage) {
        CHECK(flush.peaks.at(static_cast<std::size_t>(stage)).activations ==
              std::min(m, p - stage));
        CHECK(all.peaks.at(static_cast<std::size_t>(stage)).activations == m);
      }
      CHECK(verify(with_transfers(forwards_of(one_f_one_b({p, m}))), reductions).proven);
    }
  }
}

TEST_CASE("every schedule's program is proven at every size of its domain") {
  for (const int p : {1, 2, 3, 4, 5, 8}) {
    for (const int m : {1, 2, 3, 4, 6, 8, 12, 16, 20}) {
      for (const test::NamedProgram& each : test::every_schedule(p, m)) {
        const ReductionShape reductions{.tied = true, .data = true};
        INFO(each.name << ", " << p << " x " << each.shape.chunks << " chunks, " << m);
        const Program program = with_reductions(with_transfers(each.program), reductions);
        CHECK(verify(program, reductions).counter_example.empty());
        const Program evaluation = with_transfers(forwards_of(each.program));
        CHECK(verify(evaluation, reductions).counter_example.empty());
      }
    }
  }
}

TEST_CASE("crosswise transfers that are not in a group deadlock") {
  const std::string crosswise =
      "program stages 2 chunks 2 microbatches 2\n"
      "0: 0F0 0SA0 0F1 0SA1 0RG0 0B0 0RG1 0B1 U\n"
      "1: 1RA0 1F0 1B0 1SG0 1RA1 1F1 1B1 1SG1 U\n";
  CHECK_THAT(diagnostic(crosswise), Contains("wait for each other") && Contains("0SA1") &&
                                        Contains("1SG0") && Contains("group"));
}

TEST_CASE("instructions that are missing, repeated or misplaced are named") {
  const std::string h = "program stages 2 chunks 2 microbatches 1\n";
  const std::string one = "1: 1RA0 1F0 1B0 1SG0 U\n";
  CHECK(diagnostic(h + "0: 0F0 0SA0 0RG0 0B0 U\n" + one).empty());
  CHECK_THAT(diagnostic(h + "0: 0F0 0SA0 0RG0 0B0\n" + one), Contains("stage 0 reduces \"\""));
  CHECK_THAT(diagnostic(h + "0: 0F0 0SA0 0RG0 U\n" + one),
             Contains("lacks the gradients of micro-batch 0"));
  CHECK_THAT(diagnostic(h + "0: 0F0 0RG0 0B0 U\n" + one), Contains("0SA0 is missing"));
  CHECK_THAT(diagnostic(h + "0: 0F0 0SA0 0B0 U\n" + one), Contains("0RG0 is missing"));
  CHECK_THAT(diagnostic(h + "0: 0SA0 0F0 0RG0 0B0 U\n" + one), Contains("must come after"));
  CHECK_THAT(diagnostic(h + "0: 0F0 0SA0 0B0 0RG0 U\n" + one), Contains("must come after"));
  CHECK_THAT(diagnostic(h + "0: 0F0 0F0 0SA0 0RG0 0B0 U\n" + one), Contains("is repeated"));
  CHECK_THAT(diagnostic(h + "0: 0F0 0SA0 0RG0 0B0 U\n1: 1RA0 1F0 1B0 1SG0 0F0 U\n"),
             Contains("does not own chunk 0"));
  CHECK_THAT(diagnostic(h + "0: (0F0 0SA0) 0RG0 0B0 U\n" + one), Contains("only transfers may"));
  CHECK_THAT(diagnostic(h + "0: 0F0 0SA0 0RG0 U 0B0\n" + one),
             Contains("U (stage 0, position 3) must come after 0B0"));
  CHECK_THAT(diagnostic(h + "0: 0F0 0SA0 0SG0 0RG0 0B0 U\n" + one), Contains("remove it"));
}

TEST_CASE("weight gradients must be in micro-batch order") {
  CHECK_THAT(diagnostic("program stages 1 chunks 1 microbatches 2\n0: 0F0 0F1 0B1 0B0 U\n"),
             Contains("micro-batch order"));
  CHECK_THAT(diagnostic("program stages 1 chunks 1 microbatches 2\n"
                        "0: 0F0 0F1 0I0 0I1 0W1 0W0 U\n"),
             Contains("micro-batch order"));
  CHECK(diagnostic("program stages 1 chunks 1 microbatches 2\n0: 0F0 0F1 0I1 0I0 0W0 0W1 U\n")
            .empty());
}

TEST_CASE("both ends of a channel must have the same order") {
  CHECK_THAT(diagnostic("program stages 2 chunks 2 microbatches 2\n"
                        "0: 0F0 0F1 0SA0 0SA1 0RG0 0B0 0RG1 0B1 U\n"
                        "1: 1RA1 1RA0 1F0 1F1 1B0 1SG0 1B1 1SG1 U\n"),
             Contains("list sends and receives in the same order"));
}

TEST_CASE("reductions must be those that the mesh needs") {
  const std::string text = "program stages 1 chunks 1 microbatches 1\n0: 0F0 0B0 0T U\n";
  CHECK(diagnostic(text, {.tied = true}).empty());
  CHECK_THAT(diagnostic(text, {.tied = false}), Contains("\"U\" is expected"));
  CHECK_THAT(diagnostic(text, {.tied = true, .data = true}),
             Contains("\"0D 0T 0TD U\" is expected"));
}

TEST_CASE("a reduction comes where its gradients are complete, and T where it holds up nothing") {
  const std::string h = "program stages 1 chunks 2 microbatches 1\n0: ";
  const ReductionShape both{.tied = true, .data = true};
  CHECK(diagnostic(h + "0F0 1F0 1B0 1D 0B0 0D 1T 1TD U\n", both).empty());
  CHECK(diagnostic(h + "0F0 1F0 1B0 0B0 1T 0D 1TD 1D U\n", both).empty());
  CHECK(diagnostic(h + "0F0 1F0 1I0 0I0 1W0 1D 0W0 0D 1T 1TD U\n", both).empty());
  CHECK_THAT(diagnostic(h + "0F0 1F0 1I0 1D 0I0 1W0 0W0 0D 1T 1TD U\n", both),
             Contains("1D (stage 0, position 3) must come after 1W0"));
  CHECK_THAT(diagnostic(h + "0F0 1F0 1B0 1T 0B0 1D 0D 1TD U\n", both),
             Contains("1T (stage 0, position 3) must come after 0B0"));
  CHECK_THAT(diagnostic(h + "0F0 1F0 1B0 0B0 1D 0D 1TD 1T U\n", both),
             Contains("1TD (stage 0, position 6) must come after 1T"));
  CHECK_THAT(diagnostic(h + "0F0 1F0 1B0 0B0 1D 1T 1TD U 0D\n", both),
             Contains("U (stage 0, position 7) must come after 0D"));
  CHECK_THAT(diagnostic(h + "0F0 1F0 1B0 1D 0B0 1D 1T 1TD U\n", both), Contains("is expected"));
}

TEST_CASE("invalid sizes, owners and groups are named") {
  Program program = parse_program("program stages 1 chunks 1 microbatches 1\n0: 0F0 0B0 U\n");
  CHECK(verify(program, {}).proven);
  Program changed = program;
  changed.stage_of_chunk = {1};
  CHECK_THAT(verify(changed, {}).counter_example, Contains("0 of 1 chunks have an owner"));
  changed = program;
  changed.stages[0].insert(changed.stages[0].begin(), TransferGroup{});
  CHECK_THAT(verify(changed, {}).counter_example, Contains("group 0 of stage 0 is empty"));
  changed = program;
  changed.microbatches = 0;
  CHECK_THAT(verify(changed, {}).counter_example, Contains("make no program"));
  changed = program;
  changed.stages[0].push_back({{Op::forward, 0, 1}});
  CHECK_THAT(verify(changed, {}).counter_example, Contains("0F1 (stage 0, position 3) is beyond"));
  changed = program;
  changed.stages[0].back().front().microbatch = 7;
  CHECK(!verify(changed, {}).proven);
}

TEST_CASE("a deadlock is reported by its shortest cycle, each instruction with its location") {
  // Stages 0, 1 and 2 are deadlocked; the shortest cycle is that of 1 and 2.
  const Program program = parse_program(
      "program stages 3 chunks 3 microbatches 2\n"
      "0: 0F0 0SA0 0F1 0SA1 0RG0 0B0 0RG1 0B1 U\n"
      "1: 1RA0 1F0 1SA0 1RA1 1F1 1SA1 1RG0 1B0 1SG0 1RG1 1B1 1SG1 U\n"
      "2: 2RA0 2F0 2B0 2SG0 2RA1 2F1 2B1 2SG1 U\n");
  const Verdict verdict = verify(program, {});
  CHECK(!verdict.proven);
  CHECK(verdict.counter_example ==
        "these wait for each other: 1SA1 (stage 1, position 5) waits for 2RA1 (stage 2, position "
        "4), which comes after 2SG0 (stage 2, position 3), which waits for 1RG0 (stage 1, "
        "position 6), which comes after 1SA1; put 2RA1 into one group with 2SG0 on stage 2, or "
        "change the order on one of these stages");
  const std::vector<InstructionSite> steps = {{1, 5, {Op::send_activation, 1, 1}},
                                              {2, 4, {Op::receive_activation, 2, 1}},
                                              {2, 3, {Op::send_gradient, 2, 0}},
                                              {1, 6, {Op::receive_gradient, 1, 0}}};
  CHECK(verdict.sites == steps);
}

TEST_CASE("the remedy of a deadlock makes the program safe") {
  const std::string head = "program stages 2 chunks 2 microbatches 2\n";
  const std::string first = "0: 0F0 0SA0 0F1 0SA1 0RG0 0B0 0RG1 0B1 U\n";
  CHECK_THAT(diagnostic(head + first + "1: 1RA0 1F0 1B0 1SG0 1RA1 1F1 1B1 1SG1 U\n"),
             Contains("put 1RA1 into one group with 1SG0 on stage 1"));
  CHECK(diagnostic(head + first + "1: 1RA0 1F0 1B0 (1SG0 1RA1) 1F1 1B1 1SG1 U\n").empty());
}

TEST_CASE("if all stages wait to receive, the remedy is to compute earlier") {
  // Two micro-batches in a V over two stages: each stage needs a tensor of the other first.
  CHECK_THAT(diagnostic("program stages 2 chunks 3 microbatches 2\n"
                        "0: 0F0 0SA0 2RA0 2F0 2B0 2SG0 2RA1 0F1 0SA1 2F1 2B1 2SG1 0RG0 0B0 0RG1 "
                        "0B1 U\n"
                        "1: 1RA0 1F0 1SA0 1RG0 1RA1 1F1 1SA1 1B0 1SG0 1RG1 1B1 1SG1 U\n"),
             Contains("2RA1 (stage 0, position 6) waits for 1SA1 (stage 1, position 6)") &&
                 Contains("after 1RA1") && Contains("compute and send one of these"));
}

TEST_CASE("the caller can format locations") {
  const Program program = parse_program("program stages 1 chunks 1 microbatches 1\n0: 0B0 0F0 U\n");
  const Verdict verdict = verify(program, {}, {}, [](const InstructionSite& step) {
    return fmt::format("line {}", step.stage + 2);
  });
  CHECK(verdict.counter_example == "0B0 (line 2) must come after 0F0 (line 2); move one of them");
}

TEST_CASE("a channel without slots is refused; one slot suffices") {
  const Program program = with_reductions(with_transfers(one_f_one_b({2, 2})), {});
  CHECK_THAT(verify(program, {}, {.slots = 0}).counter_example,
             Contains("act 0>1") && Contains("at least one"));
  CHECK(verify(program, {}, {.slots = 1}).proven);
  CHECK(verify(with_reductions(one_f_one_b({1, 2}), {}), {}, {.slots = 0}).proven);
}

// Counted by hand. Stage 0 has slots for gradients; at F1 it holds two stashes and one output.
// Stage 1 holds one stash, and from I on the weight stash and the gradient that it sends.
TEST_CASE("bytes are counted after every group and compared with the limit") {
  const Program program = parse_program(
      "program stages 2 chunks 2 microbatches 2\n"
      "0: 0F0 0SA0 0F1 (0SA1 0RG0) 0B0 0RG1 0B1 U\n"
      "1: 1RA0 1F0 1I0 (1SG0 1RA1) 1F1 1I1 1SG1 1W0 1W1 U\n");
  const Limits sizes{.slots = 2,
                     .stage_bytes = {1000, 2000},
                     .chunk_bytes = {{.stash = 100, .weight_stash = 30}, {100, 70}},
                     .tensor_bytes = 10};
  const std::vector<StagePeak> peaks = verify(program, {}, sizes).peaks;
  REQUIRE(peaks.size() == 2);
  CHECK(peaks[0].activations == 2);
  CHECK(peaks[0].weight_stashes == 0);
  CHECK(peaks[0].bytes == 1000 + 2 * 10 + 2 * 100 + 2 * 10);  // (0SA1 0RG0): both tensors held
  CHECK(peaks[0].position == 3);
  CHECK(peaks[1].activations == 1);
  CHECK(peaks[1].weight_stashes == 2);
  CHECK(peaks[1].bytes == 2000 + 2 * 10 + 70 + 100);  // 1F1: micro-batch 0 waits for W
  CHECK(peaks[1].held.stash == 100);
  CHECK(peaks[1].held.weight_stash == 70);
  CHECK(peaks[1].held.rest == 0);

  Limits limits = sizes;
  limits.bytes = 2190;
  CHECK(verify(program, {}, limits).proven);
  limits.bytes = 2189;
  CHECK_THAT(verify(program, {}, limits).counter_example,
             Contains("stage 1 holds 2190 bytes at 1F1 (stage 1, position 4) where 2189 are "
                      "allowed: 100 of saved activations, 70 of weight stashes") &&
                 Contains("run B or W earlier"));
  limits.bytes = 900;
  CHECK_THAT(verify(program, {}, limits).counter_example, Contains("stage 0 holds 1240 bytes"));
  limits.stage_bytes = {1};
  CHECK_THROWS_WITH(verify(program, {}, limits), Contains("sizes of 1 stages"));
}

// Stage 1 of the program above: I consumes the stash of 100 and the received tensor, and holds 400
// while it runs. Meanwhile micro-batch 0 waits for W.
TEST_CASE("bytes that an instruction holds while it runs are counted if they are given") {
  const Program program = parse_program(
      "program stages 2 chunks 2 microbatches 2\n"
      "0: 0F0 0SA0 0F1 (0SA1 0RG0) 0B0 0RG1 0B1 U\n"
      "1: 1RA0 1F0 1I0 (1SG0 1RA1) 1F1 1I1 1SG1 1W0 1W1 U\n");
  const ChunkBytes bytes{.stash = 100, .weight_stash = 70, .forward = 150, .backward_input = 400};
  const std::vector<StagePeak> peaks =
      verify(program, {}, {.slots = 1, .chunk_bytes = {{}, bytes}, .tensor_bytes = 10}).peaks;
  REQUIRE(peaks.size() == 2);
  CHECK(peaks[1].bytes == 10 + 70 + 400);  // a slot, the weight stash for 1W0, and 1I1 as it runs
  CHECK(peaks[1].position == 5);
}

TEST_CASE("an evaluation saves nothing, and has slots for activations only") {
  const Program program = with_transfers(forwards_of(one_f_one_b({2, 2})));
  const std::vector<StagePeak> peaks =
      verify(program, {}, {.slots = 2, .chunk_bytes = {{100, 70}, {100, 70}}, .tensor_bytes = 10})
          .peaks;
  REQUIRE(peaks.size() == 2);
  CHECK(peaks[0].activations == 0);
  CHECK(peaks[0].bytes == 10);           // the output until it is sent
  CHECK(peaks[1].bytes == 2 * 10 + 10);  // two slots and an input
}

}  // namespace
}  // namespace stagecraft
