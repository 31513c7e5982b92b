#include "tests/conformance/channel.h"

namespace stagecraft::test {

std::vector<ChannelFactory> channel_factories() {
  return {{"local", [] {
             ChannelPair pair;
             pair.source_stream = make_stream({}, {});
             pair.destination_stream = make_stream({}, {});
             pair.source = make_local_channel(pair.destination_stream->memory().account());
             pair.destination = pair.source;
             return pair;
           }}};
}

}  // namespace stagecraft::test
