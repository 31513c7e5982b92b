#include <catch2/catch.hpp>

#include "stages/verify.h"
#include "tests/stages/every_schedule.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

std::string objection(const std::string& text, const ReductionShape& reductions = {}) {
  const Verdict verdict = verify(parse_program(text), reductions);
  CHECK(verdict.proven == verdict.counter_example.empty());
  return verdict.counter_example;
}

TEST_CASE("every built program is proven, with its bound of live micro-batches") {
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
        CHECK(flush.peak_live.at(static_cast<std::size_t>(stage)) == std::min(m, p - stage));
        CHECK(all.peak_live.at(static_cast<std::size_t>(stage)) == m);
      }
      CHECK(verify(with_transfers(forward_only({p, m})), reductions).proven);
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
        const Program evaluation =
            with_transfers(forward_only({.stages = p, .microbatches = m}, program.stage_of_chunk));
        CHECK(verify(evaluation, reductions).counter_example.empty());
      }
    }
  }
}

TEST_CASE("crosswise transfers that are not in a group wait for each other") {
  const std::string crosswise =
      "program stages 2 chunks 2 microbatches 2\n"
      "0: 0F0 0SA0 0F1 0SA1 0RG0 0B0 0RG1 0B1 U\n"
      "1: 1RA0 1F0 1B0 1SG0 1RA1 1F1 1B1 1SG1 U\n";
  CHECK_THAT(objection(crosswise), Contains("wait for each other") && Contains("0SA1") &&
                                       Contains("1SG0") && Contains("group"));
}

TEST_CASE("what is missing, doubled or misplaced is named") {
  const std::string h = "program stages 2 chunks 2 microbatches 1\n";
  const std::string one = "1: 1RA0 1F0 1B0 1SG0 U\n";
  CHECK(objection(h + "0: 0F0 0SA0 0RG0 0B0 U\n" + one).empty());
  CHECK_THAT(objection(h + "0: 0F0 0SA0 0RG0 0B0\n" + one), Contains("stage 0 ends in"));
  CHECK_THAT(objection(h + "0: 0F0 0SA0 0RG0 U\n" + one), Contains("needs either B or both"));
  CHECK_THAT(objection(h + "0: 0F0 0RG0 0B0 U\n" + one), Contains("0SA0 is missing"));
  CHECK_THAT(objection(h + "0: 0F0 0SA0 0B0 U\n" + one), Contains("0RG0 is missing"));
  CHECK_THAT(objection(h + "0: 0SA0 0F0 0RG0 0B0 U\n" + one), Contains("must stand behind"));
  CHECK_THAT(objection(h + "0: 0F0 0SA0 0B0 0RG0 U\n" + one), Contains("must stand behind"));
  CHECK_THAT(objection(h + "0: 0F0 0F0 0SA0 0RG0 0B0 U\n" + one), Contains("stands again"));
  CHECK_THAT(objection(h + "0: 0F0 0SA0 0RG0 0B0 U\n1: 1RA0 1F0 1B0 1SG0 0F0 U\n"),
             Contains("does not own chunk 0"));
  CHECK_THAT(objection(h + "0: (0F0 0SA0) 0RG0 0B0 U\n" + one), Contains("only transfers may"));
  CHECK_THAT(objection(h + "0: 0F0 0SA0 0RG0 U 0B0\n" + one), Contains("come last"));
  CHECK_THAT(objection(h + "0: 0F0 0SA0 0SG0 0RG0 0B0 U\n" + one), Contains("remove it"));
}

TEST_CASE("weight gradients keep the micro-batches' order") {
  CHECK_THAT(objection("program stages 1 chunks 1 microbatches 2\n0: 0F0 0F1 0B1 0B0 U\n"),
             Contains("micro-batch order"));
  CHECK_THAT(objection("program stages 1 chunks 1 microbatches 2\n"
                       "0: 0F0 0F1 0I0 0I1 0W1 0W0 U\n"),
             Contains("micro-batch order"));
  CHECK(objection("program stages 1 chunks 1 microbatches 2\n0: 0F0 0F1 0I1 0I0 0W0 0W1 U\n")
            .empty());
}

TEST_CASE("both ends of a channel agree on the order") {
  CHECK_THAT(objection("program stages 2 chunks 2 microbatches 2\n"
                       "0: 0F0 0F1 0SA0 0SA1 0RG0 0B0 0RG1 0B1 U\n"
                       "1: 1RA1 1RA0 1F0 1F1 1B0 1SG0 1B1 1SG1 U\n"),
             Contains("list both ends in one order"));
}

TEST_CASE("reductions must be as the mesh needs them") {
  const std::string text = "program stages 1 chunks 1 microbatches 1\n0: 0F0 0B0 0T U\n";
  CHECK(objection(text, {.tied = true}).empty());
  CHECK_THAT(objection(text, {.tied = false}), Contains("\"U\" is due"));
  CHECK_THAT(objection(text, {.tied = true, .data = true}), Contains("\"0T 0D U\" is due"));
}

}  // namespace
}  // namespace stagecraft
