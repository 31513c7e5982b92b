#include "stages/execute/span_names.h"

#include <fmt/core.h>

#include <map>

namespace stagecraft {

std::string span_name(const Instruction& i, bool with_chunk) {
  static const std::map<Op, std::string_view> kNames = {
      {Op::send_activation, "send act"},    {Op::send_gradient, "send grad"},
      {Op::receive_activation, "recv act"}, {Op::receive_gradient, "recv grad"},
      {Op::optimizer, "optimizer"},         {Op::reduce_tied, "reduce tied"},
      {Op::reduce_data, "reduce data"}};
  const auto found = kNames.find(i.op);
  std::string name(found == kNames.end() ? letters(i.op) : found->second);
  if (i.op == Op::reduce_data) {
    return fmt::format("{} {}", name, i.chunk);
  }
  if (!has_microbatch(i.op)) {
    return name;
  }
  return with_chunk ? fmt::format("{} {} chunk {}", name, i.microbatch, i.chunk)
                    : fmt::format("{} {}", name, i.microbatch);
}

Lane lane_of(Op op) {
  if (op == Op::optimizer) {
    return Lane::optimizer;
  }
  return is_transfer(op) ? (is_send(op) ? Lane::send : Lane::receive) : Lane::compute;
}

}  // namespace stagecraft
