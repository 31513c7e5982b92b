#include "tensor_parallel/comm/contract/abort_flag.h"

#include "kernels/base/error.h"

namespace stagecraft {

void AbortFlag::raise(std::string_view culprit) noexcept {
  const std::lock_guard lock(mutex_);
  if (raised()) {
    return;
  }
  try {
    culprit_ = culprit;
  } catch (...) {
    culprit_.clear();  // no memory for the name; raising the flag is more important
  }
  raised_.store(true, std::memory_order_release);
}

void AbortFlag::check() const {
  if (raised()) [[unlikely]] {
    throw AbortedError(culprit_);
  }
}

}  // namespace stagecraft
