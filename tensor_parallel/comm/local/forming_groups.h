// Groups that are being made: the place where their members meet.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "tensor_parallel/comm/local/group.h"
#include "tensor_parallel/comm/local/world.h"

namespace stagecraft::local {

/// One for each world.
class FormingGroups {
 public:
  explicit FormingGroups(std::shared_ptr<World> world) : world_(std::move(world)) {}

  /// The group of `members`, which are ranks of the world. Each member calls it once; the first
  /// call makes the group. Throws Error if a group with this tag, and with some but not all of
  /// these members, is being made.
  std::shared_ptr<Group> join(const std::vector<int>& members, int tag);

 private:
  struct Forming {
    int tag = 0;
    std::vector<int> members;
    std::shared_ptr<Group> group;
    std::size_t joined = 0;  // members that have called
  };
  Forming& find(const std::vector<int>& members, int tag);

  std::shared_ptr<World> world_;
  std::mutex mutex_;
  std::vector<Forming> forming_;
};

}  // namespace stagecraft::local
