// The conformance suite of channels: a test program defines channel_factories() and links
// channel.cpp. The two ends run as threads of one process, or as two processes. Every test case is
// one function, which both ends run.
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

/// One end of a channel, with a second connection to the other end for messages: they replace the
/// envelopes and credits of a run.
class End {
 public:
  /// `words`: a host communicator of the two ends; rank 0 is the source.
  End(Communicator& words, Stream& own, std::function<void(std::string)> tell)
      : stream(own), doing(std::move(tell)), words_(words) {}

  bool is_source() const { return words_.rank() == 0; }

  /// Sends a number to the other end. Returns when the other end has received it with hear().
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
  std::function<void(std::string)> doing;  // reports the current action to the watchdog
  std::shared_ptr<Channel> channel = {};
  std::function<void()> abort = {};  // ends the waits of both ends; empty if no end ever waits

 private:
  std::unique_ptr<Stream> host_ = make_stream({}, {.threads = 1});
  Communicator& words_;
};

using EndFunction = std::function<void(End&)>;

struct ChannelFactory {
  std::string name;
  bool slots_for_life = true;      // slots are charged at their capacity for the channel's life,
                                   // not by their contents
  bool knows_its_end = true;       // an end rejects the calls of the other end
  bool sees_mismatch = true;       // detects an envelope that does not match the tensor
  bool keeps_until_reuse = false;  // the source keeps the sent tensor after the credit
  /// Calls return when they are issued. A sent tensor is in flight until it is received, and an
  /// abort shows only in a wait for the work.
  bool asynchronous = false;
  /// Runs the function once for each end of a new channel, under a watchdog with the test's name.
  /// Throws the exception of an end in this process.
  std::function<void(const std::string& test, std::int64_t capacity_bytes, const EndFunction&)> run;
};

/// Defined by the test program.
std::vector<ChannelFactory> channel_factories();

/// Both ends of one channel in one process, with their streams. Both ends may be the same object.
struct ChannelPair {
  std::unique_ptr<Stream> source_stream;
  std::unique_ptr<Stream> destination_stream;
  std::shared_ptr<void> between = {};  // the transport of the ends, if they do not own it
  std::shared_ptr<Channel> source = {};
  std::shared_ptr<Channel> destination = {};
  std::function<void()> abort = {};
};

/// Two streams without a channel.
inline ChannelPair streams_only(Device source = {}, Device destination = {}) {
  return {.source_stream = make_stream(source, {}),
          .destination_stream = make_stream(destination, {})};
}

/// Both ends of a channel over P2P transports: of two ranks, or of one rank that sends to itself.
/// Each pair needs a tag that the transports have not used before.
inline ChannelPair p2p_pair(P2pTransport& source, int source_rank, P2pTransport& destination,
                            int destination_rank, int tag, std::int64_t capacity_bytes) {
  ChannelPair pair = streams_only();
  pair.destination = make_p2p_destination(destination, source_rank, tag, capacity_bytes,
                                          pair.destination_stream->memory());
  pair.source = make_p2p_source(source, destination_rank, tag, capacity_bytes);
  return pair;
}

/// Runs the two ends as threads.
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
