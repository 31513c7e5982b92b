// The channel suite between processes of one machine: rank 0 is the source, rank 1 the
// destination. A single process sends to itself.
#include "kernels/backends/make_stream.h"
#include "stages/channels/p2p_channel.h"
#include "stages/channels/window_channel.h"
#include "tests/conformance/channels/channel.h"
#include "tests/conformance/processes.h"

namespace stagecraft::test {
namespace {

constexpr int kTag = 7;

/// Every run has a new session and world, so an abort does not affect other runs.
void run_alone(const std::string& test, std::int64_t capacity_bytes, const EndFunction& function) {
  run_session(test, std::nullopt, [&](MpiSession& session, const auto& /*doing*/) {
    const std::shared_ptr<Communicator> world = session.world();
    ChannelPair pair = p2p_pair(session.p2p(), 0, session.p2p(), 0, kTag, capacity_bytes);
    pair.abort = [world] { world->abort("the test"); };
    run_ends(test, std::move(pair), function);
  });
}

using Connect = void (*)(End& end, MpiSession& session, std::int64_t capacity_bytes);

/// Runs each end in a process.
void run_apart(const std::string& test, Connect connect, std::int64_t capacity_bytes,
               const EndFunction& function) {
  run_session(test, std::nullopt, [&](MpiSession& session, const auto& doing) {
    const auto world = session.world();
    const auto stream = make_stream({}, {});
    End end(*world, *stream, doing);
    end.abort = [&world] { world->abort("the test"); };
    try {
      connect(end, session, capacity_bytes);
      world->barrier();
      function(end);
    } catch (...) {
      world->abort("a failed end");
      throw;
    }
  });
}

void connect_window(End& end, MpiSession& session, std::int64_t capacity_bytes) {
  end.abort = {};
  if (end.is_source()) {
    end.channel = make_window_source(SharedWindow::open(session.exchange("").at(1)));
    return;
  }
  SharedWindow window = make_channel_window(capacity_bytes);
  session.exchange(window.key());
  end.channel = make_window_destination(std::move(window), end.stream.memory().account());
}

void connect_p2p(End& end, MpiSession& session, std::int64_t capacity_bytes) {
  P2pTransport& p2p = session.p2p();
  if (end.is_source()) {
    end.channel = make_p2p_source(p2p, 1, kTag, capacity_bytes);
  } else {
    end.channel = make_p2p_destination(p2p, 0, kTag, capacity_bytes, end.stream.memory());
  }
}

ChannelFactory apart(std::string name, Connect connect) {
  return {
      .name = std::move(name),
      .run = [connect](const std::string& test, std::int64_t capacity_bytes, const auto& function) {
        run_apart(test, connect, capacity_bytes, function);
      }};
}

}  // namespace

std::vector<ChannelFactory> channel_factories() {
  if (process_count() == 1) {
    return {{.name = "MPI P2P, to itself", .run = run_alone}};
  }
  std::vector<ChannelFactory> all{apart("window between processes", connect_window),
                                  apart("MPI P2P between processes", connect_p2p)};
  all.front().knows_its_end = false;
  return all;
}

}  // namespace stagecraft::test
