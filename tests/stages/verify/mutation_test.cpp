// Compares `verify` with the interpreter on mutants: a program must be proven exactly if no
// execution goes wrong.
#include <fmt/core.h>

#include <catch2/catch.hpp>

#include "stages/program/program_text.h"
#include "stages/verify/verify.h"
#include "tests/stages/verify/mutants.h"

namespace stagecraft {
namespace {

struct Counts {
  int proven = 0;       // proven and correct
  int refused = 0;      // refused and wrong
  int too_lax = 0;      // proven but wrong
  int too_strict = 0;   // refused but correct
  int other_peaks = 0;  // proven and correct, but with other peaks
  int exhaustive = 0;   // every interleaving was tried
};

Limits limits_of(const test::Bounds& bounds) {
  Limits limits{.slots = bounds.slots,
                .bytes = bounds.bytes,
                .stage_bytes = bounds.stage,
                .tensor_bytes = bounds.tensor};
  for (std::size_t chunk = 0; chunk < bounds.stash.size(); ++chunk) {
    limits.chunk_bytes.push_back({.stash = bounds.stash[chunk],
                                  .weight_stash = bounds.weight_stash[chunk],
                                  .forward = bounds.forward[chunk],
                                  .backward_input = bounds.backward_input[chunk],
                                  .backward = bounds.backward[chunk]});
  }
  return limits;
}

bool same_peaks(const Verdict& verdict, const test::Outcome& outcome) {
  for (std::size_t stage = 0; stage < verdict.peaks.size(); ++stage) {
    if (verdict.peaks[stage].bytes != outcome.peaks.at(stage)) {
      return false;
    }
  }
  return verdict.peaks.size() == outcome.peaks.size();
}

void judge(const test::Mutant& mutant, std::uint64_t seed, Counts& counts) {
  const Verdict verdict = verify(mutant.program, mutant.reductions, limits_of(mutant.bounds));
  const test::Outcome outcome =
      test::interpret(mutant.program, mutant.reductions, mutant.bounds, seed);
  counts.exhaustive += outcome.exhaustive ? 1 : 0;
  const bool well = outcome.trouble.empty();
  ++(verdict.proven ? (well ? counts.proven : counts.too_lax)
                    : (well ? counts.too_strict : counts.refused));
  const bool peaks = !verdict.proven || !well || same_peaks(verdict, outcome);
  counts.other_peaks += peaks ? 0 : 1;
  if (verdict.proven != well || !peaks) {
    UNSCOPED_INFO(fmt::format("{} (seed {})\n{}verify: {}\ninterpreter: {}", mutant.origin, seed,
                              to_string(mutant.program), verdict.counter_example, outcome.trouble));
    CHECK(verdict.proven == well);
    CHECK(peaks);
  }
}

void compare(int mutants, std::uint64_t seed) {
  Counts counts;
  test::Mutants source(seed);
  for (int i = 0; i < mutants; ++i) {
    judge(source.next(), seed, counts);
  }
  fmt::print(
      "{} mutants, every interleaving of {}: {} proven and correct, {} refused and wrong; "
      "disagreements: {} proven but wrong, {} refused but correct, {} with other peaks\n",
      mutants, counts.exhaustive, counts.proven, counts.refused, counts.too_lax, counts.too_strict,
      counts.other_peaks);
  CHECK(counts.too_lax == 0);
  CHECK(counts.too_strict == 0);
  CHECK(counts.other_peaks == 0);
  // Both answers must occur often enough to be tested.
  CHECK(counts.proven > mutants / 20);
  CHECK(counts.refused > mutants / 20);
  CHECK(counts.exhaustive > mutants / 20);
}

TEST_CASE("2,000 mutants: verify says proven exactly when the interpreter finds nothing") {
  compare(2000, 1);
}

// build/release/bin/test_stages "[mutants]"
TEST_CASE("100,000 mutants", "[.mutants]") { compare(100000, 2); }

}  // namespace
}  // namespace stagecraft
