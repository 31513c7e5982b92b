#include "tensor_parallel/sharding/reduction_tree.h"

#include "kernels/base/error.h"

namespace stagecraft {

std::vector<TreeNode> reduction_tree(int parts) {
  require(parts >= 1, "reduction_tree", "{} parts have no sum", parts);
  std::vector<TreeNode> nodes;
  nodes.reserve(static_cast<std::size_t>(parts) - 1);
  // Before the level `step`, each remaining part is the sum of itself and the next `step` - 1
  // parts.
  for (int step = 1; step < parts; step *= 2) {
    for (int into = 0; into + step < parts; into += 2 * step) {
      nodes.push_back({.into = into, .from = into + step});
    }
  }
  return nodes;
}

}  // namespace stagecraft
