// A message that is lost or duplicated is an error that names edge and number, or shows on the
// board.
#include <catch2/catch.hpp>

#include "stages/channels/pass.h"
#include "stages/program/edge.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "tests/stages/channels/faulty_channel.h"
#include "tests/stages/execute/pipeline_loop.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using test::Fault;
using test::FaultyPort;
using test::Mishap;
using test::PipelineLoop;

constexpr int kStages = 3;
constexpr int kMicrobatches = 4;
const Edge kForward{0, 1, Payload::activation};
const Edge kBackward{2, 1, Payload::gradient};

Program program() {
  return with_reductions(with_transfers(build_schedule("1f1b", {kStages, kMicrobatches})),
                         {.tied = false});
}

std::unique_ptr<PipelineLoop> loop_with(const Fault& fault, unsigned seed = 1) {
  auto loop = std::make_unique<PipelineLoop>(kStages, seed);
  loop->wrap_ports(
      [fault](ExecutorPort& port) { return std::make_unique<FaultyPort>(port, fault); });
  return loop;
}

std::string place_of_stage(const PipelineLoop& loop, int stage, const Program& program) {
  const ProgressSlot::View view = loop.progress(stage).view();
  CHECK(waits_for_others(view.activity));
  return location_text(view) + ": waits for " + awaited(view.instruction, program.stage_of_chunk);
}

TEST_CASE("a duplicated message is an error that names edge and number") {
  for (unsigned seed = 0; seed < 10; ++seed) {
    for (const Edge& edge : {kForward, kBackward}) {
      const auto envelope = loop_with({Mishap::duplicate, true, edge, 2}, seed);
      CHECK_THROWS_WITH(
          envelope->run({PassKind::train, 1, 0}, program()),
          Contains("stage 1 got tensor 2 of " + to_string(edge)) && Contains("tensor 3 is due"));
      const auto credit = loop_with({Mishap::duplicate, false, edge, 1}, seed);
      CHECK_THROWS_WITH(credit->run({PassKind::train, 1, 0}, program()),
                        Contains("got a credit for tensor 1 of " + to_string(edge)) &&
                            Contains("where 2 is due"));
    }
  }
}

TEST_CASE("a lost envelope is an error when the next one of its channel arrives") {
  const auto loop = loop_with({Mishap::drop, true, kForward, 1});
  CHECK_THROWS_WITH(loop->run({PassKind::train, 1, 0}, program()),
                    Contains("stage 1 got tensor 2 of act 0>1 where tensor 1 is due"));
}

TEST_CASE("if a channel's last envelope is lost, all stages wait, and the board says for what") {
  const Program order = program();
  const auto loop = loop_with({Mishap::drop, true, kForward, kMicrobatches - 1});
  CHECK_FALSE(loop->run({PassKind::train, 1, 0}, order));
  CHECK(place_of_stage(*loop, 0, order) ==
        "step 1, instruction 0RG2: waits for the gradient of micro-batch 2 from stage 1");
  CHECK(place_of_stage(*loop, 1, order) ==
        "step 1, instruction 1RA3: waits for the activation of micro-batch 3 from stage 0");
  CHECK(place_of_stage(*loop, 2, order) ==
        "step 1, instruction 2RA3: waits for the activation of micro-batch 3 from stage 1");
}

TEST_CASE("a lost credit is an error when the next one arrives, even in the next pass") {
  const Program order = with_transfers(forwards_of(one_f_one_b({kStages, kMicrobatches})));
  const auto loop = loop_with({Mishap::drop, false, kForward, kMicrobatches - 1});
  REQUIRE(loop->run({PassKind::evaluate, 1, 0}, order));
  CHECK_THROWS_WITH(loop->run({PassKind::evaluate, 1, 1}, order),
                    Contains("stage 0 got a credit for tensor 4 of act 0>1, where 3 is due"));
}

}  // namespace
}  // namespace stagecraft
