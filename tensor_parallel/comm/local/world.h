// The abort state that all groups of one world share.
#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "tensor_parallel/comm/contract/abort_flag.h"

namespace stagecraft::local {

/// An object on which threads wait until a condition holds or the world's flag is raised.
class Waitable {
 public:
  virtual ~Waitable() = default;
  /// Makes every waiting thread check its condition again.
  virtual void wake() noexcept = 0;
};

class World {
 public:
  const AbortFlag& flag() const { return flag_; }
  /// From now on an abort wakes `place`, until `place` is destroyed.
  void watch(const std::shared_ptr<Waitable>& place);
  void abort(std::string_view culprit) noexcept;

 private:
  AbortFlag flag_;
  std::mutex mutex_;
  std::vector<std::weak_ptr<Waitable>> places_;
};

}  // namespace stagecraft::local
