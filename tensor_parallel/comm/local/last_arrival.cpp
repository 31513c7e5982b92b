#include "tensor_parallel/comm/local/last_arrival.h"

#include <algorithm>
#include <span>
#include <string>

#include "tensor_parallel/comm/local/collectives.h"

namespace stagecraft::local {
namespace {

/// On the CPU, one member does the work of all up to this many bytes, counted over all members.
constexpr std::int64_t kSmallBytes = 128 << 10;

/// The message is the same for every member.
std::string fault_of(std::span<const Posting> postings) {
  const int size = static_cast<int>(postings.size());
  for (int rank = 0; rank < size; ++rank) {
    const Call& call = postings[rank].call;
    if (!agree(postings[0].call, call)) {
      return fmt::format("rank 0 calls {}, rank {} calls {}", to_string(postings[0].call), rank,
                         to_string(call));
    }
    const std::string fault = stagecraft::fault_of(call, rank, size);
    if (!fault.empty()) {
      return fmt::format("rank {} calls {}: {}", rank, to_string(call), fault);
    }
  }
  return {};
}

bool one_for_all(const Round& round) {
  const Posting& first = round.postings[0];
  if (first.device.kind == DeviceKind::cpu) {
    return first.call.in.bytes() * static_cast<std::int64_t>(round.postings.size()) <= kSmallBytes;
  }
  return std::all_of(round.postings.begin(), round.postings.end(),
                     [&](const Posting& posting) { return posting.device == first.device; });
}

void perform_all(Stream& stream, Round& round) {
  for (const Posting& posting : round.postings) {
    wait(stream, posting.ready);
  }
  for (int part = 0; part < static_cast<int>(round.postings.size()); ++part) {
    perform(stream, round.postings, part);
  }
  stream.record(round.done);
  round.finished = true;
}

}  // namespace

void clear(Round& round) { std::fill(round.postings.begin(), round.postings.end(), Posting{}); }

void open(Round& round) {
  round.fault = fault_of(round.postings);
  round.finished = false;
  round.done = {};
  if (!round.fault.empty()) {
    clear(round);
  }
}

void begin_collective(Stream& stream, Round& round) {
  open(round);
  if (round.fault.empty() && one_for_all(round)) {
    perform_all(stream, round);
    clear(round);
  }
}

}  // namespace stagecraft::local
