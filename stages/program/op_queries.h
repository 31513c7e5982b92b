// What code asks about ops; the table has the answers.
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "stages/program/op_traits.h"

namespace stagecraft {

/// Whether the number, which may come from a file, is that of an op.
constexpr bool is_op(Op op) { return static_cast<std::size_t>(op) < kOps; }
constexpr std::string_view letters(Op op) { return traits(op).letters; }
constexpr std::optional<Payload> payload_of(Op op) { return traits(op).payload; }

// F, B, I, W
constexpr bool is_compute(Op op) { return traits(op).kind == OpKind::compute; }
// B, I, W
constexpr bool is_backward(Op op) {
  return is_compute(op) && payload_of(op) != Payload::activation;
}
// SA, RA, SG, RG
constexpr bool is_transfer(Op op) { return traits(op).kind == OpKind::transfer; }
// SA, SG
constexpr bool is_send(Op op) { return traits(op).sends; }
// RA, RG
constexpr bool is_receive(Op op) { return is_transfer(op) && !is_send(op); }
// T, D, TD, U: what passes add behind the gradients of the weights
constexpr bool ends_step(Op op) { return traits(op).kind >= OpKind::reduction; }
// All but U
constexpr bool has_chunk(Op op) { return traits(op).scope != OpScope::stage; }
// F, B, I, W, SA, RA, SG, RG
constexpr bool has_microbatch(Op op) { return traits(op).scope == OpScope::microbatch; }
// T, U: they wait for other stages, and transfer nothing
constexpr bool meets_stages(Op op) {
  return traits(op).group == OpGroup::tied || traits(op).group == OpGroup::all;
}

/// The op of these letters; nothing if there is none.
constexpr std::optional<Op> op_of(std::string_view letters) {
  const auto* found = std::find_if(kOpTraits.begin(), kOpTraits.end(),
                                   [&](const OpTraits& each) { return each.letters == letters; });
  return found == kOpTraits.end() ? std::nullopt : std::optional(found->op);
}

/// The position of the first op of a kind, and their number.
constexpr std::size_t first_of(OpKind kind) {
  return static_cast<std::size_t>(
      std::find_if(kOpTraits.begin(), kOpTraits.end(),
                   [&](const OpTraits& each) { return each.kind == kind; }) -
      kOpTraits.begin());
}
constexpr std::size_t count_of(OpKind kind) {
  return static_cast<std::size_t>(std::count_if(
      kOpTraits.begin(), kOpTraits.end(), [&](const OpTraits& each) { return each.kind == kind; }));
}

/// How far a payload moves through the chunks: to the next one, or to the one before.
constexpr int stride_of(Payload payload) { return payload == Payload::activation ? 1 : -1; }

constexpr Op transfer_op(Payload payload, bool sends) {
  return std::find_if(kOpTraits.begin(), kOpTraits.end(),
                      [&](const OpTraits& each) {
                        return each.kind == OpKind::transfer && each.payload == payload &&
                               each.sends == sends;
                      })
      ->op;
}

struct OtherEnd {
  Op op = Op::forward;
  int chunks = 0;  // how much higher its chunk is
};
/// By op; for transfers.
inline constexpr std::array<OtherEnd, kOps> kOtherEnds = [] {
  std::array<OtherEnd, kOps> ends;
  for (const OpTraits& each : kOpTraits) {
    if (each.kind == OpKind::transfer) {
      const int stride = stride_of(*each.payload);
      ends[static_cast<std::size_t>(each.op)] = {transfer_op(*each.payload, !each.sends),
                                                 each.sends ? stride : -stride};
    }
  }
  return ends;
}();

}  // namespace stagecraft
