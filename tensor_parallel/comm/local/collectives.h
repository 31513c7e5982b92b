// The work of collectives, divided into one part per member. Parts write to disjoint bytes and read
// only bytes that no other part writes, so they may run in parallel, or in sequence on one thread.
#pragma once

#include <span>

#include "tensor_parallel/comm/local/posting.h"

namespace stagecraft::local {

/// Issues part `part` of the postings' collective to `stream`; all postings agree on the call. Sums
/// follow reduction_tree.h for each element, so the division into parts changes no bit.
void perform(Stream& stream, std::span<const Posting> postings, int part);

}  // namespace stagecraft::local
