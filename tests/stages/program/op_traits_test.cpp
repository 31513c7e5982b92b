#include "stages/program/op_queries.h"

#include <catch2/catch.hpp>
#include <set>
#include <string>

#include "kernels/base/file.h"
#include "stages/program/instruction.h"

namespace stagecraft {
namespace {

TEST_CASE("letters and names tell ops apart") {
  std::set<std::string_view> letters_seen;
  std::set<std::string_view> spans;
  for (const OpTraits& each : kOpTraits) {
    CHECK(letters_seen.insert(each.letters).second);
    CHECK(spans.insert(each.span).second);
    CHECK(op_of(each.letters) == each.op);
    CHECK(!each.description.empty());
    CHECK(!each.cost.empty());
  }
  CHECK(op_of("X") == std::nullopt);
  CHECK(op_of("") == std::nullopt);
}

/// The letters of the ops for which `holds` is true.
template <typename Holds>
std::string those(const Holds& holds) {
  std::string text;
  for (const OpTraits& each : kOpTraits) {
    text += holds(each.op) ? std::string(each.letters) + " " : "";
  }
  return text;
}

TEST_CASE("the questions about ops have the answers of docs/schedules.md") {
  CHECK(those(is_compute) == "F B I W ");
  CHECK(those(is_backward) == "B I W ");
  CHECK(those(is_transfer) == "SA RA SG RG ");
  CHECK(those(is_send) == "SA SG ");
  CHECK(those(is_receive) == "RA RG ");
  CHECK(those(ends_step) == "T D TD U ");
  CHECK(those(has_chunk) == "F B I W SA RA SG RG T D TD ");
  CHECK(those(has_microbatch) == "F B I W SA RA SG RG ");
  CHECK(those(meets_stages) == "T U ");
  CHECK(those([](Op op) { return payload_of(op) == Payload::activation; }) == "F SA RA ");
  CHECK(those([](Op op) { return payload_of(op) == Payload::gradient; }) == "B I SG RG ");
  CHECK(those([](Op op) { return traits(op).adds_weight_gradient; }) == "B W ");
  CHECK(those([](Op op) { return traits(op).stashes > 0; }) == "F ");
  CHECK(those([](Op op) { return traits(op).stashes < 0; }) == "B I ");
  CHECK(those([](Op op) { return traits(op).weight_stashes > 0; }) == "I ");
  CHECK(those([](Op op) { return traits(op).weight_stashes < 0; }) == "W ");
}

TEST_CASE("each transfer is the other end of its other end") {
  CHECK(other_end({Op::send_activation, 2, 5}) == Instruction{Op::receive_activation, 3, 5});
  CHECK(other_end({Op::receive_activation, 3, 5}) == Instruction{Op::send_activation, 2, 5});
  CHECK(other_end({Op::send_gradient, 3, 5}) == Instruction{Op::receive_gradient, 2, 5});
  CHECK(other_end({Op::receive_gradient, 2, 5}) == Instruction{Op::send_gradient, 3, 5});
}

TEST_CASE("the page of the format lists every op and every cell") {
  const std::string page = read_file("docs/file_formats/program.md");
  for (const OpTraits& each : kOpTraits) {
    INFO(each.letters);
    CHECK((page.find("| " + std::string(each.letters) + " |") != std::string::npos ||
           page.find("| " + std::string(each.letters) + ", ") != std::string::npos ||
           page.find(", " + std::string(each.letters) + " |") != std::string::npos));
    CHECK(page.find(each.cell) != std::string::npos);
  }
}

}  // namespace
}  // namespace stagecraft
