// The window of a group of N members; A is the capacity:
//
//     0       barrier of the group                                64 bytes
//     64      barriers of the pairs (0,1) (0,2) (1,2) (0,3) ...   64 bytes each
//             padded to a multiple of 4096
//     H       member 0: area of even rounds, area of odd rounds   A bytes each
//     H + 2A  member 1: ...
//
// A member fills the area of one parity while others may still read the area of the other parity. A
// member that has passed the barrier of round t knows that all have finished reading round t - 1,
// so one barrier a round is enough. An area is divided into lanes. Lane 0 is for all members; lane
// m + 1 is for member m, where m counts the members without the writer. A pair has its own barrier,
// and uses halves of the areas that its two members fill next.
#include "tensor_parallel/comm/mpi/window_exchange.h"

#include <atomic>
#include <utility>

namespace stagecraft::mpi {
namespace {

/// The pieces of two processes stay in the second-level cache. Smaller pieces need more rounds,
/// which cost more than the cache saves.
constexpr std::int64_t kCapacity = 384 << 10;
constexpr std::int64_t kPage = 4096;

/// A barrier. The last member to arrive opens it.
struct alignas(64) Barrier {
  std::atomic<std::uint32_t> arrived;
  std::atomic<std::uint32_t> passed;  // completed rounds
};

std::int64_t head_bytes(int members) {
  const std::int64_t barriers = 1 + members * (members - 1) / 2;
  return (barriers * static_cast<std::int64_t>(sizeof(Barrier)) + kPage - 1) / kPage * kPage;
}

/// The memory of one member of an exchange.
struct Place {
  int rank = 0;               // in the world
  std::byte* area = nullptr;  // of even rounds; that of odd rounds follows after `capacity` bytes
};

/// The rounds of the members that share one barrier.
class BarrierExchange : public Exchange {
 public:
  BarrierExchange(std::shared_ptr<World> world, Barrier& barrier, std::vector<Place> places,
                  int rank, std::int64_t capacity)
      : world_(std::move(world)),
        barrier_(barrier),
        places_(std::move(places)),
        rank_(rank),
        capacity_(capacity),
        rounds_(barrier.passed.load()) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(places_.size()); }
  std::int64_t capacity() const override { return capacity_; }
  std::byte* to_all() override { return area(rank_, rounds_); }
  std::byte* to_one(int member) override { return to_all() + lane_of(member, rank_); }
  const std::byte* of(int member) const override { return area(member, rounds_ + 1); }
  const std::byte* from(int member) const override { return of(member) + lane_of(rank_, member); }

  void round(const RoundSizes& /*laid*/) override {
    world_->check();
    if (barrier_.arrived.fetch_add(1) + 1 == places_.size()) {
      open();
    } else {
      world_->wait_while(barrier_.passed, rounds_);
    }
    ++rounds_;
  }

  std::unique_ptr<Exchange> pair(int /*peer*/) override { return nullptr; }

 protected:
  World& world() { return *world_; }
  const std::shared_ptr<World>& shared_world() const { return world_; }
  const std::vector<Place>& places() const { return places_; }
  std::uint32_t turns() const { return rounds_; }

 private:
  std::byte* area(int member, std::uint32_t round) const {
    return places_[static_cast<std::size_t>(member)].area + round % 2 * capacity_;
  }
  std::int64_t lane_of(int reader, int writer) const {
    return lane() * (1 + (reader < writer ? reader : reader - 1));
  }
  void open() {
    barrier_.arrived.store(0);
    barrier_.passed.store(rounds_ + 1);
    for (int member = 0; member < size(); ++member) {
      if (member != rank_) {
        world_->wake(places_[static_cast<std::size_t>(member)].rank);
      }
    }
  }

  std::shared_ptr<World> world_;
  Barrier& barrier_;
  std::vector<Place> places_;
  int rank_;
  std::int64_t capacity_;
  std::uint32_t rounds_;
};

Barrier& barrier_at(const SharedWindow& window, int index) {
  return *(reinterpret_cast<Barrier*>(window.bytes().data()) + index);
}

std::vector<Place> locations_in(const SharedWindow& window, const std::vector<int>& members) {
  std::byte* area = window.bytes().data() + head_bytes(static_cast<int>(members.size()));
  std::vector<Place> places;
  for (const int rank : members) {
    places.push_back({.rank = rank, .area = area});
    area += 2 * kCapacity;
  }
  return places;
}

/// The exchange of a whole group; it owns the window.
class WindowExchange : public BarrierExchange {
 public:
  WindowExchange(std::shared_ptr<World> world, SharedWindow window, const std::vector<int>& members,
                 int rank)
      : BarrierExchange(std::move(world), barrier_at(window, 0), locations_in(window, members),
                        rank, kCapacity),
        window_(std::move(window)) {}

  std::unique_ptr<Exchange> pair(int peer) override {
    const int low = std::min(rank(), peer);
    const int high = std::max(rank(), peer);
    Barrier& barrier = barrier_at(window_, 1 + high * (high - 1) / 2 + low);
    std::vector<Place> two{places()[static_cast<std::size_t>(low)],
                           places()[static_cast<std::size_t>(high)]};
    for (Place& where : two) {
      where.area += turns() % 2 * kCapacity;
    }
    return std::make_unique<BarrierExchange>(shared_world(), barrier, std::move(two),
                                             rank() == low ? 0 : 1, kCapacity / 2);
  }

 private:
  SharedWindow window_;
};

}  // namespace

std::int64_t window_bytes(int members) { return head_bytes(members) + 2 * kCapacity * members; }

std::unique_ptr<Exchange> make_window_exchange(std::shared_ptr<World> world, SharedWindow window,
                                               const std::vector<int>& members, int rank) {
  return std::make_unique<WindowExchange>(std::move(world), std::move(window), members, rank);
}

}  // namespace stagecraft::mpi
