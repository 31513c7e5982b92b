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
  std::shared_ptr<Channel> source;
  std::shared_ptr<Channel> destination;
};

struct ChannelFactory {
  std::string name;
  std::function<ChannelPair()> make;
};

std::vector<ChannelFactory> channel_factories();

}  // namespace stagecraft::test
