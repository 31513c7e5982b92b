#include "tensor_parallel/comm/mpi/node.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft::mpi {
namespace {

constexpr std::int64_t kNameOffset = 64;
constexpr std::int64_t kFutexOffset = 256;
constexpr std::int64_t kFutexBytes = 64;  // a cache line each

enum State : std::uint32_t { lowered, rising, raised_state };

}  // namespace

Node::Node(SharedWindow window, int members) : window_(std::move(window)), members_(members) {}

std::int64_t Node::bytes(int members) { return kFutexOffset + kFutexBytes * members; }

Futex& Node::futex(int member) const {
  return *reinterpret_cast<Futex*>(window_.bytes().data() + kFutexOffset + kFutexBytes * member);
}

std::atomic<std::uint32_t>& Node::state() const {
  return *reinterpret_cast<std::atomic<std::uint32_t>*>(window_.bytes().data());
}

bool Node::raise(std::string_view culprit) noexcept {
  std::uint32_t expected = lowered;
  if (!state().compare_exchange_strong(expected, rising)) {
    return false;
  }
  const std::span<std::byte> name =
      window_.bytes().subspan(kNameOffset, kFutexOffset - kNameOffset);
  std::memcpy(name.data(), culprit.data(), std::min(culprit.size(), name.size() - 1));
  state().store(raised_state);
  for (int member = 0; member < members_; ++member) {
    futex(member).wake();
  }
  return true;
}

bool Node::raised() const noexcept {
  return state().load(std::memory_order_acquire) == raised_state;
}

void Node::check() const {
  if (raised()) [[unlikely]] {
    throw AbortedError(reinterpret_cast<const char*>(window_.bytes().data()) + kNameOffset);
  }
}

}  // namespace stagecraft::mpi
