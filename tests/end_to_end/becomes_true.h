// Waits for what another process does.
#pragma once

#include <chrono>
#include <thread>

namespace stagecraft {

/// What is waited for is a fact, never a time. The deadline only keeps a fact that never comes from
/// hanging the test.
template <typename Fact>
bool becomes_true(const Fact& fact) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (!fact()) {
    if (std::chrono::steady_clock::now() > deadline) {
      return false;
    }
    std::this_thread::yield();
  }
  return true;
}

}  // namespace stagecraft
