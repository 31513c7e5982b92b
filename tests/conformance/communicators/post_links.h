// Fake NCCL links between two threads of one process. Their sends do not wait for the receives, as
// device work does not block the host. They support only exchange().
#pragma once

#include <condition_variable>
#include <cstring>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/nccl/link.h"

namespace stagecraft::test {

/// Messages in flight, by receiver.
struct PostOffice {
  std::mutex mutex;
  std::condition_variable changed;
  std::deque<std::vector<char>> under_way[2];
  bool closed = false;
};

class PostLink : public nccl::Link {
 public:
  PostLink(std::shared_ptr<PostOffice> office, int rank)
      : office_(std::move(office)), rank_(rank) {}

  void all_reduce(Stream&, const Tensor&, ReduceOp) override { refuse(); }
  void all_gather(Stream&, const Tensor&, const Tensor&) override { refuse(); }
  void reduce_scatter(Stream&, const Tensor&, const Tensor&) override { refuse(); }
  void broadcast(Stream&, const Tensor&, int) override { refuse(); }

  void exchange(Stream& /*stream*/, std::span<const nccl::Transfer> transfers) override {
    for (const nccl::Transfer& transfer : transfers) {
      transfer.direction == nccl::Transfer::Direction::send ? put(transfer.tensor)
                                                            : take(transfer.tensor);
    }
  }

  void abort() noexcept override {
    const std::lock_guard lock(office_->mutex);
    office_->closed = true;
    office_->changed.notify_all();
  }

 private:
  [[noreturn]] static void refuse() { throw Error("PostLink", "supports only exchange()"); }

  void put(const Tensor& x) {
    const auto* bytes = static_cast<const char*>(x.raw());
    const std::lock_guard lock(office_->mutex);
    office_->under_way[1 - rank_].emplace_back(bytes, bytes + x.bytes());
    office_->changed.notify_all();
  }

  void take(const Tensor& x) {
    std::unique_lock lock(office_->mutex);
    auto& mine = office_->under_way[rank_];
    office_->changed.wait(lock, [&] { return office_->closed || !mine.empty(); });
    require(!mine.empty(), "PostLink", "closed");
    require(static_cast<std::int64_t>(mine.front().size()) == x.bytes(), "PostLink",
            "{} bytes arrived where {} were expected", mine.front().size(), x.bytes());
    std::memcpy(x.raw(), mine.front().data(), mine.front().size());
    mine.pop_front();
  }

  std::shared_ptr<PostOffice> office_;
  int rank_;
};

}  // namespace stagecraft::test
