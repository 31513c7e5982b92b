#include "tensor_parallel/comm/nccl/nccl_communicator.h"

#include <utility>

#include "kernels/backends/make_stream.h"
#include "kernels/base/error.h"
#include "kernels/ops/elementwise.h"
#include "tensor_parallel/comm/contract/call.h"
#include "tensor_parallel/comm/nccl/tree.h"

namespace stagecraft {
namespace nccl {
namespace {

class NcclCommunicator : public Communicator {
 public:
  NcclCommunicator(std::shared_ptr<World> world, std::unique_ptr<Communicator> host,
                   int most_blocks)
      : world_(std::move(world)), host_(std::move(host)), most_blocks_(most_blocks) {
    world_->check();
    if (host_->size() > 1) {
      link_ = world_->connect(*host_, most_blocks_);
    }
  }

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }

  void all_reduce(Stream& stream, const Tensor& x, ReduceOp op, Order order) override {
    issue(stream, {.operation = Operation::all_reduce, .reduce = op, .in = x},
          [&] { reduce_on(stream, x, op, order, payer_of(stream)); });
  }
  void all_gather(Stream& stream, const Tensor& part, const Tensor& out) override {
    issue(stream, {.operation = Operation::all_gather, .in = part, .out = out},
          [&] { link_->all_gather(stream, part, out); });
    if (size() == 1) {
      copy(stream, {.from = part, .to = out.view(part.shape())});
    }
  }
  void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part, Order order) override {
    issue(stream, {.operation = Operation::reduce_scatter, .in = x, .out = part}, [&] {
      if (needs_tree(ReduceOp::sum, order)) {
        tree_reduce_scatter(tree_member(stream, payer_of(stream)), x, part);
      } else {
        link_->reduce_scatter(stream, x, part);
      }
    });
    if (size() == 1) {
      copy(stream, {.from = x, .to = part.view(x.shape())});
    }
  }
  void broadcast(Stream& stream, const Tensor& x, int root) override {
    issue(stream, {.operation = Operation::broadcast, .peer = root, .in = x},
          [&] { link_->broadcast(stream, x, root); });
  }
  void send(Stream& stream, const Tensor& x, int to) override {
    issue(stream, {.operation = Operation::send, .peer = to, .in = x}, [&] {
      const Transfer transfer{Transfer::Direction::send, x, to};
      link_->exchange(stream, {&transfer, 1});
    });
  }
  void recv(Stream& stream, const Tensor& x, int from) override {
    issue(stream, {.operation = Operation::recv, .peer = from, .in = x}, [&] {
      const Transfer transfer{Transfer::Direction::recv, x, from};
      link_->exchange(stream, {&transfer, 1});
    });
  }
  void barrier() override { host_->barrier(); }

  Stream& communication_stream(Stream& stream) override {
    if (size() == 1) {
      return stream;
    }
    if (own_ == nullptr) {
      own_ = make_stream(world_->device(), {});
    }
    payer_ = stream.memory().account();
    return *own_;
  }

  std::unique_ptr<Communicator> make_group(const std::vector<int>& members, int tag) override {
    return std::make_unique<NcclCommunicator>(world_, host_->make_group(members, tag),
                                              most_blocks_);
  }

  void abort(std::string_view culprit) noexcept override { world_->abort(culprit); }
  void check() override { world_->check(); }

 private:
  /// Checks the call, then runs `work` unless the group has one member or the tensor is empty.
  template <typename F>
  void issue(Stream& stream, const Call& call, F&& work) {
    world_->check();
    check_call(call, rank(), size());
    require(stream.device() == world_->device(), to_string(call.operation),
            "tensors on {} cannot be communicated in a group on {}", stream.device(),
            world_->device());
    if (size() == 1 || call.in.bytes() == 0) {
      return;
    }
    try {
      work();
    } catch (...) {
      world_->check();  // after an abort, AbortedError with the culprit says more than NCCL's error
      throw;
    }
  }

  /// NCCL's sum of two parts already has the tree's bits, because addition is commutative.
  bool needs_tree(ReduceOp op, Order order) const {
    return order == Order::tree && (size() > 2 || op != ReduceOp::sum);
  }

  void reduce_on(Stream& stream, const Tensor& x, ReduceOp op, Order order,
                 std::shared_ptr<MemoryAccount> payer) {
    if (needs_tree(op, order)) {
      tree_all_reduce(tree_member(stream, std::move(payer)), x, op);
    } else {
      link_->all_reduce(stream, x, op);
    }
  }

  TreeMember tree_member(Stream& stream, std::shared_ptr<MemoryAccount> payer) {
    return {.link = *link_,
            .stream = stream,
            .rank = rank(),
            .size = size(),
            .payer = std::move(payer)};
  }

  /// Work on the communication stream is charged to the account of the stream beside it.
  std::shared_ptr<MemoryAccount> payer_of(Stream& stream) const {
    return &stream == own_.get() ? payer_ : stream.memory().account();
  }

  std::shared_ptr<World> world_;
  std::unique_ptr<Communicator> host_;
  int most_blocks_;
  std::unique_ptr<Stream> own_;           // communication_stream(); created at first use
  std::shared_ptr<MemoryAccount> payer_;  // of work on it
  std::shared_ptr<Link> link_;            // null in a group of one
};

}  // namespace
}  // namespace nccl

std::unique_ptr<Communicator> make_nccl_communicator(std::shared_ptr<nccl::World> world,
                                                     std::unique_ptr<Communicator> host,
                                                     int most_blocks) {
  return std::make_unique<nccl::NcclCommunicator>(std::move(world), std::move(host), most_blocks);
}

}  // namespace stagecraft
