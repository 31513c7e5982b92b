#include "tensor_parallel/comm/contract/call.h"

#include <array>

namespace stagecraft {
namespace {

std::string fault_of_sum(const Call& call) {
  const DType dtype = call.in.dtype();
  const bool summed = dtype == DType::float64 || dtype == DType::bfloat16;
  const bool known = dtype == DType::float32 || (summed && call.reduce == ReduceOp::sum);
  return known ? std::string()
               : fmt::format("{} has no {}", to_string(dtype),
                             call.reduce == ReduceOp::sum ? "sum" : "maximum");
}

std::string fault_of_parts(const Tensor& part, const Tensor& whole, int size) {
  if (part.dtype() != whole.dtype()) {
    return fmt::format("the part is {}, the whole is {}", to_string(part.dtype()),
                       to_string(whole.dtype()));
  }
  if (part.elements() * size != whole.elements()) {
    return fmt::format("{} parts of {} do not make {}", size, to_string(part.shape()),
                       to_string(whole.shape()));
  }
  return {};
}

std::string fault_of_peer(const Call& call, int rank, int size) {
  if (call.peer < 0 || call.peer >= size) {
    return fmt::format("rank {} is not in a group of {}", call.peer, size);
  }
  if (call.operation != Operation::broadcast && call.peer == rank) {
    return fmt::format("rank {} cannot send to or receive from itself", rank);
  }
  return {};
}

}  // namespace

std::string_view to_string(Operation operation) {
  constexpr std::array<std::string_view, 7> kNames = {
      "all_reduce", "all_gather", "reduce_scatter", "broadcast", "send", "recv", "barrier"};
  return kNames.at(static_cast<std::size_t>(operation));
}

std::string to_string(const Call& call) {
  std::string text(to_string(call.operation));
  if (call.operation == Operation::barrier) {
    return text;
  }
  if (call.operation == Operation::all_reduce && call.reduce == ReduceOp::maximum) {
    text += " maximum";
  }
  if (call.peer >= 0) {
    text += fmt::format(" {} {}", call.operation == Operation::send ? "to" : "from", call.peer);
  }
  if (call.in.empty()) {
    return text + " of an empty tensor";
  }
  return text + fmt::format(" of {} {}", to_string(call.in.dtype()), to_string(call.in.shape()));
}

std::string fault_of(const Call& call, int rank, int size) {
  const Operation operation = call.operation;
  if (operation == Operation::barrier) {
    return {};
  }
  const bool two = operation == Operation::all_gather || operation == Operation::reduce_scatter;
  if (call.in.empty() || (two && call.out.empty())) {
    return "a tensor is empty";
  }
  if (!call.in.contiguous() || (two && !call.out.contiguous())) {
    return "a column range does not travel; copy it into a tensor of its own";
  }
  switch (operation) {
    case Operation::all_reduce:
      return fault_of_sum(call);
    case Operation::all_gather:
      return fault_of_parts(call.in, call.out, size);
    case Operation::reduce_scatter: {
      std::string fault = fault_of_sum(call);
      return fault.empty() ? fault_of_parts(call.out, call.in, size) : fault;
    }
    default:
      return fault_of_peer(call, rank, size);
  }
}

void check_call(const Call& call, int rank, int size) {
  const std::string fault = fault_of(call, rank, size);
  require(fault.empty(), to_string(call.operation), "rank {} calls {}: {}", rank, call, fault);
}

bool agree(const Call& a, const Call& b) {
  return a.operation == b.operation && a.reduce == b.reduce && a.peer == b.peer &&
         a.in.empty() == b.in.empty() && a.in.dtype() == b.in.dtype() &&
         a.in.shape() == b.in.shape();
}

}  // namespace stagecraft
