// A hash of the state of training that is the same for every split: per tensor and kind a sum of
// 64-bit numbers, one for each element, modulo 2^64. A sum takes its parts in any order. Padding is
// no element.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "kernels/ops/tensor_hash.h"
#include "models/parameters/parameter_state.h"
#include "tensor_parallel/sharding/box.h"

namespace stagecraft {

/// The key of a tensor and kind, from which and from the element's index and bits its number
/// follows (kernels/base/element_hash.h): the checksum of the name, a zero byte, and the digit 0, 1
/// or 2 for weight, first and second moment.
std::uint64_t state_key(std::string_view parameter, StateKind kind);

/// The part of the hash that a piece contributes. `values` are its elements, row-major, on the
/// host: the reference for what devices compute.
std::uint64_t state_hash_of(const StatePiece& piece, std::span<const float> values);

/// Adds this box of a parameter to what a device hashes: to hash number `hash` of the call.
void add_hashed_box(TensorHashes& call, const Parameter& parameter, StateKind kind,
                    const ShardBox& box, std::int64_t hash);

/// The part of a tensor's hash that one rank contributes.
struct StateHash {
  std::int32_t parameter = 0;  // position in ModelSpec::parameters()
  StateKind kind = StateKind::weight;
  std::uint64_t hash = 0;
};

}  // namespace stagecraft
