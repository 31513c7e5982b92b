// The kinds of instruction, and what there is to know of each; op_traits.h has the values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "kernels/base/span.h"

namespace stagecraft {

/// Sorted by OpKind. The optimizer is the last.
enum class Op : std::uint8_t {
  forward,             // F
  backward,            // B: both gradients
  backward_input,      // I
  backward_weight,     // W
  send_activation,     // SA: the chunk's output, to the stage of chunk + 1
  receive_activation,  // RA: the chunk's input, from the stage of chunk - 1
  send_gradient,       // SG: the gradient of the chunk's input, to the stage of chunk - 1
  receive_gradient,    // RG: the gradient of the chunk's output, from the stage of chunk + 1
  reduce_tied,         // T: adds the gradients of a tied parameter's uses, embedding + head
  reduce_data,         // D: adds the chunk's gradients over the mesh axes of its parameters
  reduce_tied_data,    // TD: adds the tied parameter's gradient over the data axis
  optimizer            // U: updates all parameters of the stage
};
inline constexpr std::size_t kOps = static_cast<std::size_t>(Op::optimizer) + 1;

enum class OpKind : std::uint8_t { compute, transfer, reduction, optimizer };

/// How often an op occurs on a line. Its instructions have numbers accordingly.
enum class OpScope : std::uint8_t {
  stage,      // once, without numbers: U
  model_end,  // once where the first or the last chunk is, with the number of that chunk: 0T, 0TD
  chunk,      // once for each chunk: 3D
  microbatch  // once for each chunk and micro-batch: 2F0
};

/// The ranks that take part in an instruction.
enum class OpGroup : std::uint8_t {
  tensor,  // the tensor ranks of the stage, in the collectives of layers
  peer,    // the rank at the other end of a transfer
  tied,    // the rank on the stage with the other end of the tied parameter
  data,    // the data ranks of the stage
  all      // all ranks, by way of the driver
};

/// A tensor between two chunks: an activation goes to the next chunk, a gradient to the one before.
enum class Payload : std::uint8_t { activation, gradient };

struct OpTraits {
  Op op = Op::forward;
  std::string_view letters = {};      // in the text of a program
  std::string_view description = {};  // for people, behind the letters
  OpKind kind = OpKind::compute;
  OpScope scope = OpScope::microbatch;
  OpGroup group = OpGroup::tensor;
  /// What a transfer carries; what compute takes from one neighbouring chunk and hands to the
  /// other.
  std::optional<Payload> payload = {};
  bool sends = false;
  bool adds_weight_gradient = false;
  int stashes = 0;             // by how many stashes of its chunk the stage holds more afterwards
  int weight_stashes = 0;      // likewise, stashes of what only W needs
  std::string_view cell = {};  // in a CSV program; empty: the format does not have it
  std::string_view span = {};  // in a trace
  Lane lane = Lane::compute;   // likewise
  std::string_view cost = {};  // the name of its cost in --cost
  std::uint32_t colour = 0;    // in drawings, 0xRRGGBB; 0: it is not drawn
};

}  // namespace stagecraft
