// Which ranks have answered the driver.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace stagecraft {

/// Every rank answers once.
class Answers {
 public:
  explicit Answers(int ranks) : has_answered_(static_cast<std::size_t>(ranks)) {}
  /// Returns true when no rank is missing. Throws Error for an unknown rank or a second answer.
  bool add(int rank, std::string_view what);
  bool has(int rank) const { return has_answered_.at(static_cast<std::size_t>(rank)); }
  bool complete() const { return count_ == has_answered_.size(); }

 private:
  std::vector<bool> has_answered_;
  std::size_t count_ = 0;
};

}  // namespace stagecraft
