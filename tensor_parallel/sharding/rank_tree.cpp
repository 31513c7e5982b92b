#include "tensor_parallel/sharding/rank_tree.h"

#include <algorithm>

namespace stagecraft {

int tree_parent(int rank) { return rank & (rank - 1); }

std::vector<int> tree_children(int rank, int size) {
  std::vector<int> children;
  const int end = tree_end(rank, size);
  for (int step = 1; rank + step < end; step *= 2) {
    children.push_back(rank + step);
  }
  return children;
}

int tree_end(int rank, int size) {
  const int lowest_bit = rank & -rank;
  return rank == 0 ? size : std::min(size, rank + lowest_bit);
}

}  // namespace stagecraft
