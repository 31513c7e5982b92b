// The suite of channels, over whatever channels a program provides: it defines channel_factories()
// and links channel.cpp.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "stages/channel.h"

namespace stagecraft::test {

/// Both ends of one channel with the streams that use them. Both may be the same object.
struct ChannelPair {
  std::unique_ptr<Stream> source_stream;
  std::unique_ptr<Stream> destination_stream;
  std::shared_ptr<void> between;  // what the ends lie on, if they do not own it
  std::shared_ptr<Channel> source;
  std::shared_ptr<Channel> destination;
  std::function<void()> abort;  // ends the waits of either end; empty where no end ever waits

  std::int64_t slots_charged() const {
    return account().count(MemoryLabel::transfer_slots).current;
  }
  const MemoryAccount& account() const { return *destination_stream->memory().account(); }
};

struct ChannelFactory {
  std::string name;
  bool slots_for_life;  // charged at their capacity from begin to end, not by what lies in them
  std::function<ChannelPair(std::int64_t capacity_bytes)> make;
  bool sees_mismatch = true;       // between the envelope and what was sent
  bool keeps_until_reuse = false;  // what was sent, beyond the credit
};

std::vector<ChannelFactory> channel_factories();

/// Two streams and no channel yet.
inline ChannelPair streams_only(Device source = {}, Device destination = {}) {
  ChannelPair pair;
  pair.source_stream = make_stream(source, {});
  pair.destination_stream = make_stream(destination, {});
  return pair;
}

/// Both ends of a channel over couriers: of two ranks, or twice the same one of a rank that sends
/// to itself, as a program started by mpirun may. Each pair of a courier's life needs a tag of its
/// own.
inline ChannelPair courier_pair(Courier& source, int source_rank, Courier& destination,
                                int destination_rank, int tag, std::int64_t capacity_bytes) {
  ChannelPair pair = streams_only();
  pair.destination = make_courier_destination(destination, source_rank, tag, capacity_bytes,
                                              pair.destination_stream->memory());
  pair.source = make_courier_source(source, destination_rank, tag, capacity_bytes);
  return pair;
}

}  // namespace stagecraft::test
