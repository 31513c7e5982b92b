// The one order in which parts are added: neighbours are joined, level by level, and an odd last
// part passes up unchanged. For five parts: ((0 + 1) + (2 + 3)) + 4.
#pragma once

#include <vector>

namespace stagecraft {

/// Part `into` becomes part `into` + part `from`.
struct TreeJoin {
  int into = 0;
  int from = 0;
  friend bool operator==(const TreeJoin&, const TreeJoin&) = default;
};

/// The joins for `parts` >= 1 parts in the order in which they are done; the result is part 0.
std::vector<TreeJoin> reduction_tree(int parts);

}  // namespace stagecraft
