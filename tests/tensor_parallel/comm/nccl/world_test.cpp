// The links of one process end together.
#include "tensor_parallel/comm/nccl/world.h"

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <latch>

#include "tensor_parallel/comm/solo/solo_communicator.h"

namespace stagecraft::nccl {
namespace {

/// An abort waits for the device. Work of one link may lie behind that of another, which ends only
/// when that one is aborted too.
class DependentLink : public Link {
 public:
  explicit DependentLink(std::latch& all_aborted) : all_aborted_(all_aborted) {}
  void all_reduce(Stream&, const Tensor&, ReduceOp) override {}
  void all_gather(Stream&, const Tensor&, const Tensor&) override {}
  void reduce_scatter(Stream&, const Tensor&, const Tensor&) override {}
  void broadcast(Stream&, const Tensor&, int) override {}
  void exchange(Stream&, std::span<const Transfer>) override {}
  /// Also called a second time, by the world's own thread.
  void abort() noexcept override {
    if (!aborted_.exchange(true)) {
      all_aborted_.arrive_and_wait();
    }
  }

 private:
  std::latch& all_aborted_;
  std::atomic<bool> aborted_{false};
};

}  // namespace

TEST_CASE("an abort reaches every link, though each waits for the others") {
  std::latch all_aborted(3);
  World world(
      {.new_id = [] { return std::string("id"); },
       .connect = [&](const LinkSetup&) { return std::make_unique<DependentLink>(all_aborted); }},
      {}, make_solo_communicator());
  const auto host = make_solo_communicator();
  std::array<std::shared_ptr<Link>, 3> links;
  for (auto& link : links) {
    link = world.connect(*host, 0);
  }
  world.abort("stage 0, 1F2");
  all_aborted.wait();
  CHECK_THROWS_AS(world.check(), AbortedError);
}

}  // namespace stagecraft::nccl
