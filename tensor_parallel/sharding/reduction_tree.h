// The fixed order in which parts are added: neighbours are added level by level, and an odd last
// part moves up unchanged. For five parts: ((0 + 1) + (2 + 3)) + 4.
#pragma once

#include <vector>

namespace stagecraft {

/// Part `into` becomes part `into` + part `from`.
struct TreeNode {
  int into = 0;
  int from = 0;
  friend bool operator==(const TreeNode&, const TreeNode&) = default;
};

/// The nodes for `parts` >= 1 parts in execution order; the result is part 0.
std::vector<TreeNode> reduction_tree(int parts);

}  // namespace stagecraft
