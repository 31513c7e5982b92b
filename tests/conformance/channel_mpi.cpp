// The suite of channels over MPI's courier: every rank sends to itself.
#include "tests/conformance/channel.h"
#include "tests/conformance/processes.h"

namespace stagecraft::test {
namespace {

/// A session is one world; a new pair gets a new one, so that an abort ends nothing else.
ChannelPair courier(std::int64_t capacity_bytes) {
  std::shared_ptr<MpiSession> session = mpi::make_session(runtime(), std::nullopt);
  std::shared_ptr<Communicator> world = session->world();
  ChannelPair pair = courier_pair(session->courier(), session->rank(), session->courier(),
                                  session->rank(), 7, capacity_bytes);
  pair.abort = [world] { world->abort("the test"); };
  // The world goes before the session that gave it.
  pair.between = std::shared_ptr<void>(session.get(), [session, world](void*) mutable {
    world.reset();
    session.reset();
  });
  return pair;
}

}  // namespace

std::vector<ChannelFactory> channel_factories() { return {{"MPI courier", true, courier}}; }

}  // namespace stagecraft::test
