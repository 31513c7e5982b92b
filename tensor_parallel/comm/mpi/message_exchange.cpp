#include "tensor_parallel/comm/mpi/message_exchange.h"

#include <array>
#include <utility>

#include "tensor_parallel/comm/mpi/backoff.h"

namespace stagecraft::mpi {
namespace {

constexpr std::int64_t kCapacity = 1 << 20;

using Bytes = std::unique_ptr<std::byte[]>;

Bytes bytes_of(std::int64_t count) {
  return std::make_unique_for_overwrite<std::byte[]>(static_cast<std::size_t>(count));
}

/// The send and receive buffers of an exchange. After an abort they outlive it, because MPI may
/// still access them.
struct Buffers {
  std::array<Bytes, 2> to_all;  // of even and odd rounds, so that a member can read its own
  Bytes to_one;
  std::vector<Bytes> of;  // by member
  std::vector<Bytes> from;
};

class MessageExchange : public Exchange {
 public:
  MessageExchange(std::shared_ptr<World> world, std::vector<int> members, int rank, int number)
      : world_(std::move(world)),
        members_(std::move(members)),
        rank_(rank),
        number_(number),
        buffers_(std::make_shared<Buffers>()) {
    buffers_->to_all = {bytes_of(kCapacity), bytes_of(kCapacity)};
    const auto count = static_cast<std::int64_t>(members_.size());
    buffers_->to_one = bytes_of(count * lane());
    buffers_->of.resize(members_.size());
    buffers_->from.resize(members_.size());
    for (std::size_t member = 0; member < members_.size(); ++member) {
      buffers_->of[member] = bytes_of(kCapacity);
      buffers_->from[member] = bytes_of(lane());
    }
  }  // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks): buffers_ owns them

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(members_.size()); }
  std::int64_t capacity() const override { return kCapacity; }
  std::byte* to_all() override { return buffers_->to_all[rounds_ % 2].get(); }
  std::byte* to_one(int member) override { return buffers_->to_one.get() + member * lane(); }
  const std::byte* of(int member) const override {
    return member == rank_ ? buffers_->to_all[(rounds_ + 1) % 2].get()
                           : buffers_->of[static_cast<std::size_t>(member)].get();
  }
  const std::byte* from(int member) const override {
    return buffers_->from[static_cast<std::size_t>(member)].get();
  }

  void round(const RoundSizes& sizes) override {
    world_->check();
    post(sizes);
    try {
      wait();
    } catch (...) {
      give_up();
      throw;
    }
    ++rounds_;
  }

  std::unique_ptr<Exchange> pair(int peer) override {
    std::vector<int> two{members_[static_cast<std::size_t>(std::min(rank_, peer))],
                         members_[static_cast<std::size_t>(std::max(rank_, peer))]};
    return std::make_unique<MessageExchange>(world_, std::move(two), rank_ < peer ? 0 : 1, number_);
  }

 private:
  /// Posts the receives first, so that fewer messages arrive before their receive is posted.
  void post(const RoundSizes& sizes) {
    receives_.clear();
    sends_.clear();
    for (int member = 0; member < size(); ++member) {
      const auto at = static_cast<std::size_t>(member);
      if (member != rank_ && sizes.for_all != RoundSizes::kNothing) {
        receive(buffers_->of[at].get(), kCapacity, members_[at], tag_for_all(number_));
      }
      if (member != rank_ && sizes.for_one != RoundSizes::kNothing) {
        receive(buffers_->from[at].get(), lane(), members_[at], tag_for_one(number_));
      }
    }
    // Each member begins with its successor, so that not all send to the same member at once.
    for (int step = 1; step < size(); ++step) {
      const int member = (rank_ + step) % size();
      if (sizes.for_all != RoundSizes::kNothing) {
        send(to_all(), sizes.for_all, member, tag_for_all(number_));
      }
      if (sizes.for_one != RoundSizes::kNothing) {
        send(to_one(member), sizes.for_one, member, tag_for_one(number_));
      }
    }
  }

  void receive(std::byte* to, std::int64_t most, int from, int tag) {
    receives_.push_back(MPI_REQUEST_NULL);
    check_mpi(MPI_Irecv(to, static_cast<int>(most), MPI_BYTE, from, tag, world_->comm(),
                        &receives_.back()),
              "MPI_Irecv");
  }
  void send(const std::byte* bytes, std::int64_t count, int member, int tag) {
    sends_.push_back(MPI_REQUEST_NULL);
    check_mpi(
        MPI_Isend(bytes, static_cast<int>(count), MPI_BYTE,
                  members_[static_cast<std::size_t>(member)], tag, world_->comm(), &sends_.back()),
        "MPI_Isend");
  }

  void wait() {
    Backoff backoff;
    while (!all_done(receives_) || !all_done(sends_)) {
      world_->check();
      backoff.rest();
    }
  }
  static bool all_done(std::vector<MPI_Request>& requests) {
    int done = 0;
    check_mpi(
        MPI_Testall(static_cast<int>(requests.size()), requests.data(), &done, MPI_STATUSES_IGNORE),
        "MPI_Testall");
    return done != 0;
  }

  /// After an abort the other members may have ended, so it does not wait for the requests. The
  /// runtime keeps the buffers.
  void give_up() {
    world_->runtime().keep(buffers_);
    for (MPI_Request& request : receives_) {
      if (request != MPI_REQUEST_NULL) {
        MPI_Cancel(&request);
        MPI_Request_free(&request);
      }
    }
    for (MPI_Request& request : sends_) {
      if (request != MPI_REQUEST_NULL) {
        MPI_Request_free(&request);
      }
    }
  }

  std::shared_ptr<World> world_;
  std::vector<int> members_;
  int rank_;
  int number_;
  std::shared_ptr<Buffers> buffers_;
  std::uint32_t rounds_ = 0;
  std::vector<MPI_Request> receives_;
  std::vector<MPI_Request> sends_;
};

}  // namespace

std::unique_ptr<Exchange> make_message_exchange(std::shared_ptr<World> world,
                                                std::vector<int> members, int rank, int number) {
  return std::make_unique<MessageExchange>(std::move(world), std::move(members), rank, number);
}

}  // namespace stagecraft::mpi
