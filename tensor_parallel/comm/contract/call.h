// One communicator operation as data, so that every backend checks and names it in the same way.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "tensor_parallel/comm/contract/communicator.h"

namespace stagecraft {

enum class Operation { all_reduce, all_gather, reduce_scatter, broadcast, send, recv, barrier };

std::string_view to_string(Operation operation);

struct Call {
  Operation operation = Operation::barrier;
  ReduceOp reduce = ReduceOp::sum;
  int peer = -1;    // broadcast: the root; send and recv: the other rank
  Tensor in = {};   // input; also the output of all_reduce, broadcast and recv
  Tensor out = {};  // all_gather and reduce_scatter
};

/// "all_reduce maximum of float32 [3, 4]".
std::string to_string(const Call& call);

/// The error in a call, judged without the other members' calls, in a group of `size` members.
/// Empty: the call is valid.
std::string fault_of(const Call& call, int rank, int size);
/// Throws Error with rank, call and fault if the call is not valid.
void check_call(const Call& call, int rank, int size);

/// Whether the calls of two members belong to the same collective.
bool agree(const Call& a, const Call& b);

}  // namespace stagecraft

template <>
struct fmt::formatter<stagecraft::Call> : stagecraft::ToStringFormatter<stagecraft::Call> {};
