// Short texts between the members of a new group, which has no exchange yet.
#pragma once

#include <string>
#include <vector>

#include "tensor_parallel/comm/mpi/world.h"

namespace stagecraft::mpi {

/// The texts travel as messages along the tree of rank_tree.h, one to and from each member but the
/// first. Every call is collective over the members and throws AbortedError.
class MemberTexts {
 public:
  /// `members`: world ranks in the group's order, this process's among them. `tag`: of the world's
  /// communicator, used by these members for nothing else meanwhile.
  MemberTexts(World& world, const std::vector<int>& members, int tag);

  /// Returns member 0's text to every member.
  std::string spread(const std::string& of_first);
  /// Returns the first text that is not empty, by rank, to every member; "" if there is none.
  std::string first_of(const std::string& mine);

 private:
  void send(int member, const std::string& text);
  std::string receive(int member);

  World& world_;
  const std::vector<int>& members_;
  int rank_;
  int tag_;
};

}  // namespace stagecraft::mpi
