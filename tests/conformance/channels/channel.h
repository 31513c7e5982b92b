// The suite of channels: a test program defines channel_factories() and links channel.cpp. The two
// ends run as threads of one process, or each in a process of its own, and every case is written
// once, as what either end does.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "kernels/backends/make_stream.h"
#include "stages/channels/channel.h"
#include "stages/channels/p2p_channel.h"
#include "tests/conformance/members.h"

namespace stagecraft::test {

/// One end of a channel, and words to the other end beside it, as messages are in a run.
class End {
 public:
  /// `words`: of the two ends, on the host; rank 0 is the source.
  End(Communicator& words, Stream& own, std::function<void(std::string)> tell)
      : stream(own), doing(std::move(tell)), words_(words) {}

  bool is_source() const { return words_.rank() == 0; }

  /// Returns when the other end has heard it.
  void say(std::int32_t word = 0) {
    words_.send(*host_, tensor_of<std::int32_t>(*host_, {word}), 1 - words_.rank());
  }
  std::int32_t hear() {
    const Tensor x(host_->memory(), {1}, DType::int32, MemoryLabel::workspace);
    words_.recv(*host_, x, 1 - words_.rank());
    return values_of<std::int32_t>(*host_, x).front();
  }

  std::int64_t slots_charged() const {
    return stream.memory().account()->count(MemoryLabel::transfer_slots).current;
  }
  std::int64_t charged() const { return stream.memory().account()->total().current; }

  Stream& stream;
  std::function<void(std::string)> doing;  // tells the watchdog
  std::shared_ptr<Channel> channel = {};
  std::function<void()> abort = {};  // ends the waits of either end; empty where no end ever waits

 private:
  std::unique_ptr<Stream> host_ = make_stream({}, {.threads = 1});
  Communicator& words_;
};

using EndFunction = std::function<void(End&)>;

struct ChannelFactory {
  std::string name;
  bool slots_for_life = true;      // charged at their capacity from begin to end, not by what lies
                                   // in them
  bool knows_its_end = true;       // refuses the calls of the other one
  bool sees_mismatch = true;       // between the envelope and what was sent
  bool keeps_until_reuse = false;  // what was sent, beyond the credit
  /// Calls return when they are issued: what was sent is on its way until it is received, and an
  /// abort shows when the work is waited for.
  bool asynchronous = false;
  /// Runs the function once per end of a fresh channel, under a watchdog that bears the test's
  /// name. Throws what an end of this process threw.
  std::function<void(const std::string& test, std::int64_t capacity_bytes, const EndFunction&)> run;
};

/// Defined by the test program.
std::vector<ChannelFactory> channel_factories();

/// Both ends of one channel in one process, with the streams that use them. Both may be the same
/// object.
struct ChannelPair {
  std::unique_ptr<Stream> source_stream;
  std::unique_ptr<Stream> destination_stream;
  std::shared_ptr<void> between = {};  // what the ends lie on, if they do not own it
  std::shared_ptr<Channel> source = {};
  std::shared_ptr<Channel> destination = {};
  std::function<void()> abort = {};
};

/// Two streams and no channel yet.
inline ChannelPair streams_only(Device source = {}, Device destination = {}) {
  return {.source_stream = make_stream(source, {}),
          .destination_stream = make_stream(destination, {})};
}

/// Both ends of a channel over couriers: of two ranks, or twice the same one of a rank that sends
/// to itself. Each pair of a courier's life needs a tag of its own.
inline ChannelPair courier_pair(P2pTransport& source, int source_rank, P2pTransport& destination,
                                int destination_rank, int tag, std::int64_t capacity_bytes) {
  ChannelPair pair = streams_only();
  pair.destination = make_p2p_destination(destination, source_rank, tag, capacity_bytes,
                                          pair.destination_stream->memory());
  pair.source = make_p2p_source(source, destination_rank, tag, capacity_bytes);
  return pair;
}

/// The two ends as threads.
inline void run_ends(const std::string& test, ChannelPair pair, const EndFunction& function) {
  run_local(test, 2, [&](Member& member) {
    const bool is_source = member.rank() == 0;
    End end(member.group, is_source ? *pair.source_stream : *pair.destination_stream, member.doing);
    end.channel = std::move(is_source ? pair.source : pair.destination);
    end.abort = pair.abort;
    try {
      function(end);
    } catch (...) {
      if (pair.abort) {
        pair.abort();
      }
      throw;
    }
  });
}

}  // namespace stagecraft::test
