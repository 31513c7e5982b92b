// A binomial tree over the ranks of a group, rooted at rank 0, for what spreads from one rank to
// all or is gathered from all at one. Its depth is at most log2 of the size, rounded up.
#pragma once

#include <vector>

namespace stagecraft {

/// The parent of `rank` > 0: without its lowest set bit.
int tree_parent(int rank);

/// The children of `rank` in ascending order. The subtree of a child ends before the next child,
/// the last one's where that of `rank` ends.
std::vector<int> tree_children(int rank, int size);

/// The subtree of `rank` consists of the ranks from `rank` to before this one.
int tree_end(int rank, int size);

}  // namespace stagecraft
