// One of every message, with every field set: a message without a sample does not compile.
#pragma once

#include <caf/all.hpp>
#include <limits>

#include "actors/protocol/messages.h"
#include "stages/channels/pass.h"
#include "stages/program/edge.h"

namespace stagecraft::test {

inline constexpr std::int64_t kLarge = std::numeric_limits<std::int64_t>::min() + 1;
inline const std::uint64_t kNan = to_wire(std::numeric_limits<double>::quiet_NaN());
inline const std::uint64_t kInfinity = to_wire(std::numeric_limits<double>::infinity());
inline const std::uint64_t kTiny = to_wire(std::numeric_limits<double>::denorm_min());
inline const std::uint64_t kMinusZero = to_wire(-0.0);

inline void fill(RunPasses& m) {
  m = {{{PassKind::evaluate, 7, kLarge, -8}, {PassKind::train, 8, 1, 0, {kLarge, 3}}}};
}
inline void fill(Envelope& m) {
  m = {.generation = 0xFFFFFFFFU,
       .edge = {3, 2, Payload::gradient},
       .sequence = ~std::uint64_t{0},
       .pass = {PassKind::evaluate, 12, 4},
       .chunk = 5,
       .microbatch = 9,
       .shape = {4, 256, 768},
       .dtype = DType::bfloat16};
}
inline void fill(Credit& m) { m = {{1, 0, Payload::gradient}, ~std::uint64_t{0}}; }
inline void fill(Ready& m) {
  m = {11, {{3, StateKind::first_moment, ~std::uint64_t{0}}, {4, StateKind::weight, 0}}};
}
inline void fill(PassDone& m) {
  m = {{PassKind::evaluate, 99, 3},
       {{2, {kNan, kInfinity, kTiny, kMinusZero}, {{4, kNan}, {5, kTiny}}}, {3, {kNan}, {}}}};
}
inline void fill(KeepState& m) { m = {99, "checkpoints"}; }
inline void fill(StateHashed& m) {
  m = {2, 99, {{3, StateKind::second_moment, ~std::uint64_t{0}}, {4, StateKind::weight, 1}}};
}
inline void fill(StateSaved& m) {
  m = {2,      99,  kLarge, {{3, StateKind::second_moment, {0, 7}, {4, 9}, ~std::uint64_t{0}}},
       "full", true};
}
inline void fill(ApplyUpdate& m) {
  m = {99, kTiny, kMinusZero, {{PassKind::evaluate, 99, 4, 12}}, {{99, "folder"}}};
}
inline void fill(WriteModel& m) { m = {std::string("a\0b", 3)}; }
inline void fill(ModelWritten& m) { m = {6}; }
inline void fill(Finish& m) { m = {true}; }
inline void fill(StageEnded& m) { m = {1, 2, 3, 4, 5, 6, {7, 8, 9, kLarge, 10, 11, 12, 13}}; }
inline void fill(StageFailed& m) { m = {3, "stage 3: \xC3\xA9", true}; }
inline void fill(RunFailed& m) { m = {std::string(100'000, 'x'), 5}; }
inline void fill(BoardRows& m) {
  m = {{{3, {1, 2, -1, ~std::uint64_t{0}, kLarge, 4}}, {0, {17, kLarge, 5, 6, 7, -1}}}, true, true};
}

template <class Message>
Message sample() {
  Message message{};
  fill(message);
  return message;
}

/// The serialised form of a message, for comparison.
template <class Message>
std::string image(caf::actor_system& system, Message message) {
  std::vector<char> bytes;
  caf::binary_serializer writer(system, bytes);
  static_cast<void>(writer(message));
  return typeid(Message).name() + std::string(bytes.begin(), bytes.end());
}

}  // namespace stagecraft::test
