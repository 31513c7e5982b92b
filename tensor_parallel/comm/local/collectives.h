// The work of collectives, cut into one part per member. Parts write to disjoint bytes and read
// only what no other part writes, so they may run side by side, or one after another in one thread.
#pragma once

#include <span>

#include "tensor_parallel/comm/local/posting.h"

namespace stagecraft::local {

/// Issues part `part` of the postings' collective, on which all agree, to `stream`. Sums follow
/// reduction_tree.h element by element, so that no cut changes a bit.
void perform(Stream& stream, std::span<const Posting> postings, int part);

}  // namespace stagecraft::local
