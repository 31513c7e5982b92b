// A fake NCCL: links between threads of one process that transfer CPU tensors, so that all code
// above NCCL is tested on every machine.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tensor_parallel/comm/local/local_communicator.h"
#include "tensor_parallel/comm/nccl/link.h"

namespace stagecraft::test {

/// A link over one member of a local communicator.
class FakeLink : public nccl::Link {
 public:
  explicit FakeLink(std::unique_ptr<Communicator> end) : end_(std::move(end)) {}

  void all_reduce(Stream& stream, const Tensor& x, ReduceOp op) override {
    end_->all_reduce(stream, x, op, Order::any);
  }
  void all_gather(Stream& stream, const Tensor& part, const Tensor& out) override {
    end_->all_gather(stream, part, out);
  }
  void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part) override {
    end_->reduce_scatter(stream, x, part, Order::any);
  }
  void broadcast(Stream& stream, const Tensor& x, int root) override {
    end_->broadcast(stream, x, root);
  }
  /// The sends wait for their receives, so all members process the pairs in the same order, and the
  /// lower rank of a pair sends first.
  void exchange(Stream& stream, std::span<const nccl::Transfer> transfers) override {
    for (int peer = 0; peer < end_->size(); ++peer) {
      const Direction first = end_->rank() < peer ? Direction::send : Direction::recv;
      carry(stream, transfers, peer, first);
      carry(stream, transfers, peer, first == Direction::send ? Direction::recv : Direction::send);
    }
  }
  void abort() noexcept override { end_->abort("the link"); }

 private:
  using Direction = nccl::Transfer::Direction;

  void carry(Stream& stream, std::span<const nccl::Transfer> transfers, int peer, Direction way) {
    for (const nccl::Transfer& transfer : transfers) {
      if (transfer.peer != peer || transfer.direction != way || transfer.tensor.bytes() == 0) {
        continue;
      }
      if (way == Direction::send) {
        end_->send(stream, transfer.tensor, peer);
      } else {
        end_->recv(stream, transfer.tensor, peer);
      }
    }
  }

  std::unique_ptr<Communicator> end_;
};

/// Groups by id: the first member to connect creates all links of a group; each takes its own.
class FakeLibrary : public std::enable_shared_from_this<FakeLibrary> {
 public:
  nccl::Library library() {
    const auto self = shared_from_this();
    return {.new_id = [self] { return self->new_id(); },
            .connect = [self](const nccl::LinkSetup& setup) { return self->connect(setup); }};
  }

 private:
  std::string new_id() {
    const std::lock_guard lock(mutex_);
    return "group " + std::to_string(next_++);
  }

  std::unique_ptr<nccl::Link> connect(const nccl::LinkSetup& setup) {
    const std::lock_guard lock(mutex_);
    auto& ends = groups_[setup.id];
    if (ends.empty()) {
      ends = make_local_world(setup.size);
    }
    return std::make_unique<FakeLink>(std::move(ends.at(static_cast<std::size_t>(setup.rank))));
  }

  std::mutex mutex_;
  int next_ = 0;
  std::map<std::string, std::vector<std::unique_ptr<Communicator>>> groups_;
};

}  // namespace stagecraft::test
