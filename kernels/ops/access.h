// What an operation reads and writes, said beside its struct of arguments:
//   template <>
//   inline constexpr auto kTensors<ActivationForward> = std::tuple(reads(&ActivationForward::x),
//                                                            writes(&ActivationForward::y));
// The CPU's mixed precision follows from it, and the bytes that an operation moves.
#pragma once

#include <cstdint>
#include <tuple>
#include <type_traits>
#include <vector>

#include "kernels/core/tensor.h"

namespace stagecraft {

enum class Access : std::uint8_t {
  read,
  write,
  read_write,
  accumulate  // read_write, or write where args.accumulate is false
};

/// A member of the arguments, which is a Tensor, has one, is a std::vector of them, or is arguments
/// of another operation.
template <typename Pointer>
struct TensorAccess {
  Pointer member;
  Access access;
};

template <typename Pointer>
constexpr TensorAccess<Pointer> reads(Pointer member) {
  return {member, Access::read};
}
template <typename Pointer>
constexpr TensorAccess<Pointer> writes(Pointer member) {
  return {member, Access::write};
}
template <typename Pointer>
constexpr TensorAccess<Pointer> updates(Pointer member) {
  return {member, Access::read_write};
}
template <typename Pointer>
constexpr TensorAccess<Pointer> accumulates(Pointer member) {
  return {member, Access::accumulate};
}
/// Arguments of another operation, as that declares them.
template <typename Pointer>
constexpr TensorAccess<Pointer> nested(Pointer member) {
  return {member, Access::read_write};
}

struct TensorsNotDeclared {};

/// Every tensor of an operation's arguments, as a std::tuple of TensorAccess. There is no default.
template <typename Args>
inline constexpr TensorsNotDeclared kTensors{};
template <typename Args>
inline constexpr bool kDeclaresTensors =
    !std::is_same_v<decltype(kTensors<std::remove_const_t<Args>>), const TensorsNotDeclared>;

/// What `access` is in this call: read, write or read_write.
template <typename Args>
Access access_in(const Args& args, Access access) {
  if (access != Access::accumulate) {
    return access;
  }
  if constexpr (requires { args.accumulate; }) {
    return args.accumulate ? Access::read_write : Access::write;
  }
  return Access::read_write;
}

template <typename Args, typename F>
void for_each_tensor(Args& args, F&& f);

/// Calls f(tensor, access) for a Tensor that is not empty, for that of an operand, or for those of
/// a std::vector or of nested arguments.
template <typename Member, typename F>
void visit_tensors(Member& member, Access access, F& f) {
  if constexpr (kDeclaresTensors<Member>) {
    for_each_tensor(member, f);
  } else if constexpr (requires { member.begin(); }) {
    for (auto& tensor : member) {
      visit_tensors(tensor, access, f);
    }
  } else if constexpr (requires { member.tensor; }) {
    visit_tensors(member.tensor, access, f);
  } else if (!member.empty()) {
    f(member, access);
  }
}

/// Calls f(tensor, access) for the tensors of `args` that are not empty, in their order in
/// kTensors, with what access_in() makes of their access.
template <typename Args, typename F>
void for_each_tensor(Args& args, F&& f) {
  constexpr const auto& tensors = kTensors<std::remove_const_t<Args>>;
  static_assert(kDeclaresTensors<Args>,
                "kTensors of this struct of arguments is missing beside it");
  const auto visit = [&](const auto& entry) {
    visit_tensors(args.*entry.member, access_in(args, entry.access), f);
  };
  std::apply([&](const auto&... entries) { (visit(entries), ...); }, tensors);
}

/// The least that an operation moves: what it reads and what it writes, each once. Operations that
/// look at a part of a tensor have an overload beside their contract.
template <typename Args>
std::int64_t bytes_of(const Args& args) {
  std::int64_t bytes = 0;
  for_each_tensor(args, [&](const Tensor& tensor, Access access) {
    bytes += (access == Access::read_write ? 2 : 1) * tensor.bytes();
  });
  return bytes;
}

/// 2 per multiply-add of matrix products and of attention, which have overloads beside their
/// contracts; 0 for all else.
template <typename Args>
double flops_of(const Args& /*args*/) {
  return 0;
}

}  // namespace stagecraft
