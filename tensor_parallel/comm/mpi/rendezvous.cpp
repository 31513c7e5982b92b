#include "tensor_parallel/comm/mpi/rendezvous.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "kernels/base/error.h"

namespace stagecraft::mpi {
namespace {

/// The call signature: the fields of a call that have to match, in a form that can be sent.
struct CallSignature {
  std::int64_t shape[5] = {};
  std::int32_t peer = -1;
  std::uint8_t operation = 0;
  std::uint8_t reduce = 0;
  std::uint8_t dtype = 0;
  std::uint8_t dimensions = 0;
  std::uint8_t no_tensor = 0;
  std::uint8_t faulty = 0;  // the call is not valid; all other fields are set nevertheless
};
static_assert(sizeof(CallSignature) <= kCallSignatureBytes);

CallSignature signature_of(const Call& call, bool faulty) {
  CallSignature signature;
  signature.peer = call.peer;
  signature.operation = static_cast<std::uint8_t>(call.operation);
  signature.reduce = static_cast<std::uint8_t>(call.reduce);
  signature.dtype = static_cast<std::uint8_t>(call.in.dtype());
  signature.dimensions = static_cast<std::uint8_t>(call.in.rank());
  std::copy(call.in.shape().begin(), call.in.shape().end(), signature.shape);
  signature.no_tensor = static_cast<std::uint8_t>(call.in.empty());
  signature.faulty = static_cast<std::uint8_t>(faulty);
  return signature;
}

bool same_tensor(const CallSignature& a, const CallSignature& b) {
  return a.dtype == b.dtype && a.dimensions == b.dimensions && a.no_tensor == b.no_tensor &&
         std::equal(std::begin(a.shape), std::end(a.shape), std::begin(b.shape));
}

bool agree(const CallSignature& a, const CallSignature& b) {
  return a.operation == b.operation && a.reduce == b.reduce && a.peer == b.peer &&
         same_tensor(a, b);
}

bool are_ends(const CallSignature& a, const CallSignature& b) {
  return a.operation != b.operation && same_tensor(a, b);
}

void show(Exchange& exchange, const CallSignature& signature, std::int64_t payload) {
  std::memcpy(exchange.to_all(), &signature, sizeof signature);
  exchange.round({.for_all = kCallSignatureBytes + payload});
}

CallSignature signature_on(const Exchange& exchange, int member) {
  CallSignature signature;
  std::memcpy(&signature, exchange.of(member), sizeof signature);
  return signature;
}

/// Every member's text by rank, truncated to 500 bytes.
std::vector<std::string> exchange_texts(Exchange& exchange, const std::string& mine) {
  constexpr std::size_t kMax = 500;
  const auto length = static_cast<std::uint32_t>(std::min(mine.size(), kMax));
  std::memcpy(exchange.to_all(), &length, sizeof length);
  std::memcpy(exchange.to_all() + sizeof length, mine.data(), length);
  exchange.round({.for_all = static_cast<std::int64_t>(sizeof length + length)});
  std::vector<std::string> texts;
  for (int member = 0; member < exchange.size(); ++member) {
    std::uint32_t count = 0;
    std::memcpy(&count, exchange.of(member), sizeof count);
    texts.emplace_back(reinterpret_cast<const char*>(exchange.of(member)) + sizeof count, count);
  }
  return texts;
}

}  // namespace

void rendezvous(Exchange& exchange, const Call& call, std::int64_t payload) {
  const std::string fault = fault_of(call, exchange.rank(), exchange.size());
  show(exchange, signature_of(call, !fault.empty()), payload);
  const CallSignature first = signature_on(exchange, 0);
  for (int rank = 0; rank < exchange.size(); ++rank) {
    const CallSignature signature = signature_on(exchange, rank);
    const bool agreed = agree(first, signature);
    if (agreed && signature.faulty == 0) {
      continue;
    }
    // All members see the same signatures, so all of them are in this branch. Only now do the texts
    // need a second and a third round.
    const auto where = static_cast<std::size_t>(rank);
    const std::vector<std::string> calls = exchange_texts(exchange, to_string(call));
    const std::vector<std::string> faults = exchange_texts(exchange, fault);
    require(agreed, to_string(call.operation), "rank 0 calls {}, rank {} calls {}", calls[0], rank,
            calls[where]);
    throw Error(to_string(call.operation),
                fmt::format("rank {} calls {}: {}", rank, calls[where], faults[where]));
  }
}

void rendezvous_pair(Exchange& pair, const Call& call, const std::vector<int>& ranks,
                     std::int64_t payload) {
  show(pair, signature_of(call, false), payload);
  const CallSignature low = signature_on(pair, 0);
  if (are_ends(low, signature_on(pair, 1))) {
    return;
  }
  const std::vector<std::string> calls = exchange_texts(pair, to_string(call));
  pair.round({});  // both have read: the group may use the memory again
  const std::size_t first = low.operation == static_cast<std::uint8_t>(Operation::recv) ? 1 : 0;
  throw Error(to_string(call.operation),
              fmt::format("rank {} calls {}, rank {} calls {}", ranks[first], calls[first],
                          ranks[1 - first], calls[1 - first]));
}

}  // namespace stagecraft::mpi
