// The table of the traits of every op. What differs between ops and is no value of this table
// stands in switches without a default, so that the compiler names them for a new op.
#pragma once

#include <array>
#include <cstddef>

#include "stages/program/op.h"

namespace stagecraft {

/// Colours that colour-blind people can tell apart, light enough for black digits.
inline constexpr std::array<OpTraits, kOps> kOpTraits = {{
    {.op = Op::forward,
     .letters = "F",
     .description = "forward",
     .payload = Payload::activation,
     .stashes = 1,
     .cell = "F",
     .span = "F",
     .cost = "F",
     .colour = 0x9cc4f0},
    {.op = Op::backward,
     .letters = "B",
     .description = "backward, both gradients",
     .payload = Payload::gradient,
     .adds_weight_gradient = true,
     .stashes = -1,
     .cell = "B",
     .span = "B",
     .cost = "B",
     .colour = 0xfac878},
    {.op = Op::backward_input,
     .letters = "I",
     .description = "gradient of the input",
     .payload = Payload::gradient,
     .stashes = -1,
     .weight_stashes = 1,
     .cell = "I",
     .span = "I",
     .cost = "I",
     .colour = 0xf5a091},
    {.op = Op::backward_weight,
     .letters = "W",
     .description = "gradient of the weights",
     .adds_weight_gradient = true,
     .weight_stashes = -1,
     .cell = "W",
     .span = "W",
     .cost = "W",
     .colour = 0x96d4a0},
    {.op = Op::send_activation,
     .letters = "SA",
     .description = "send the output",
     .kind = OpKind::transfer,
     .group = OpGroup::peer,
     .payload = Payload::activation,
     .sends = true,
     .cell = "SEND_F",
     .span = "send act",
     .lane = Lane::send,
     .cost = "transfer"},
    {.op = Op::receive_activation,
     .letters = "RA",
     .description = "receive the input",
     .kind = OpKind::transfer,
     .group = OpGroup::peer,
     .payload = Payload::activation,
     .cell = "RECV_F",
     .span = "recv act",
     .lane = Lane::receive,
     .cost = "transfer"},
    {.op = Op::send_gradient,
     .letters = "SG",
     .description = "send the gradient of the input",
     .kind = OpKind::transfer,
     .group = OpGroup::peer,
     .payload = Payload::gradient,
     .sends = true,
     .cell = "SEND_B",
     .span = "send grad",
     .lane = Lane::send,
     .cost = "transfer"},
    {.op = Op::receive_gradient,
     .letters = "RG",
     .description = "receive the gradient of the output",
     .kind = OpKind::transfer,
     .group = OpGroup::peer,
     .payload = Payload::gradient,
     .cell = "RECV_B",
     .span = "recv grad",
     .lane = Lane::receive,
     .cost = "transfer"},
    {.op = Op::reduce_tied,
     .letters = "T",
     .description = "sum of the tied parameter",
     .kind = OpKind::reduction,
     .scope = OpScope::model_end,
     .group = OpGroup::tied,
     .span = "reduce tied",
     .cost = "T",
     .colour = 0xcdafe1},
    {.op = Op::reduce_data,
     .letters = "D",
     .description = "sum over data ranks",
     .kind = OpKind::reduction,
     .scope = OpScope::chunk,
     .group = OpGroup::data,
     .cell = "REDUCE_GRAD",
     .span = "reduce data",
     .cost = "D",
     .colour = 0xb4a0d2},
    {.op = Op::reduce_tied_data,
     .letters = "TD",
     .description = "sum of the tied parameter over data ranks",
     .kind = OpKind::reduction,
     .scope = OpScope::model_end,
     .group = OpGroup::data,
     .span = "reduce tied data",
     .cost = "TD",
     .colour = 0xa08cc8},
    {.op = Op::optimizer,
     .letters = "U",
     .description = "optimizer",
     .kind = OpKind::optimizer,
     .scope = OpScope::stage,
     .group = OpGroup::all,
     .span = "optimizer",
     .lane = Lane::optimizer,
     .cost = "U",
     .colour = 0xbebebe},
}};

constexpr const OpTraits& traits(Op op) { return kOpTraits[static_cast<std::size_t>(op)]; }

constexpr bool is_in_order() {
  for (std::size_t i = 0; i < kOps; ++i) {
    const OpTraits& each = kOpTraits[i];
    const bool moves = each.kind == OpKind::compute || each.kind == OpKind::transfer;
    if (static_cast<std::size_t>(each.op) != i || each.letters.empty() ||
        (i > 0 && each.kind < kOpTraits[i - 1].kind) ||
        moves != (each.scope == OpScope::microbatch)) {
      return false;
    }
  }
  return true;
}
static_assert(is_in_order(),
              "kOpTraits has one row for each Op, in order, sorted by kind; compute and transfers "
              "are those with a micro-batch");

}  // namespace stagecraft
