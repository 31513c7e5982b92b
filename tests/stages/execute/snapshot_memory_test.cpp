#include "stages/execute/snapshot_memory.h"

#include <catch2/catch.hpp>

namespace stagecraft {
namespace {

TEST_CASE("the memory of snapshots is made once") {
  SnapshotMemory memory({}, 1000);
  const HostMemory* const first = memory.get([] {});
  REQUIRE(first != nullptr);
  CHECK(first->bytes().size() == 1000);
  CHECK(memory.get([] {}) == first);
}

TEST_CASE("a host that lacks the memory of a snapshot has none") {
  SnapshotMemory memory({}, std::int64_t{1} << 60);
  CHECK(memory.get([] {}) == nullptr);
  CHECK(memory.get([] {}) == nullptr);
}

TEST_CASE("memory that nobody asks for any more is not waited for") {
  const SnapshotMemory memory({}, std::int64_t{64} << 20);
}

}  // namespace
}  // namespace stagecraft
