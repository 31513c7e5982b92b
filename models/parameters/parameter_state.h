// What training keeps of a parameter from step to step, piece by piece: the form in which a stage
// hands its state to files, and takes it from them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/core/stream.h"
#include "models/parameters/parameter.h"
#include "tensor_parallel/sharding/box.h"

namespace stagecraft {

enum class StateKind : std::uint8_t { weight, first_moment, second_moment };
inline constexpr StateKind kStateKinds[] = {StateKind::weight, StateKind::first_moment,
                                            StateKind::second_moment};
/// "weight", "first moment" or "second moment".
std::string_view to_string(StateKind kind);

/// A part of a parameter that one rank holds.
struct StatePiece {
  const ParameterSpec& parameter;
  StateKind kind = StateKind::weight;
  Box box;  // of the whole tensor
};

/// Where state goes.
class StateWriter {
 public:
  virtual ~StateWriter() = default;
  /// `values` are the box's elements, row-major; they are gone after the call.
  virtual void write(const StatePiece& piece, std::span<const float> values) = 0;
};

/// Where state comes from.
class StateReader {
 public:
  virtual ~StateReader() = default;
  /// Fills `values` with the box's elements, row-major. Safe from several threads.
  virtual void read(const StatePiece& piece, std::span<float> values) const = 0;
};

/// The parameter's tensor that holds this kind.
const Tensor& state_of(const Parameter& parameter, StateKind kind);

/// Writes these boxes of one parameter, with their values after all work that was issued to the
/// stream. The host holds one box at a time.
void save_state(Stream& stream, const Parameter& parameter, const std::vector<ShardBox>& boxes,
                StateKind kind, StateWriter& writer);

/// Reads this rank's pieces of one parameter; padding becomes zero. The host holds the rank's part
/// of this parameter alone.
void load_state(Stream& stream, const Parameter& parameter, StateKind kind,
                const StateReader& reader);

}  // namespace stagecraft
