// What a member asks of its communicator, as data, so that every backend checks and names it alike.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

enum class Operation {
  all_reduce,
  all_gather,
  reduce_scatter,
  broadcast,
  send,
  recv,
  barrier,
  split
};

std::string_view to_string(Operation operation);

struct Call {
  Operation operation = Operation::barrier;
  ReduceOp reduce = ReduceOp::sum;
  int peer = -1;    // broadcast: the root; send and recv: the other end
  int color = 0;    // split
  int key = 0;      // split
  Tensor in = {};   // of broadcast, send and recv, and of all_reduce in both directions
  Tensor out = {};  // of all_gather and reduce_scatter
};

/// "all_reduce maximum of float32 [3, 4]".
std::string to_string(const Call& call);

/// What is wrong with a call by itself in a group of `size` members; empty: nothing.
std::string fault_of(const Call& call, int rank, int size);
/// Throws Error that names rank, call and fault, if there is one.
void check_call(const Call& call, int rank, int size);

/// Whether two members of a collective mean the same.
bool agree(const Call& a, const Call& b);

}  // namespace stagecraft
