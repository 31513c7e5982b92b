#include "tensor_parallel/comm/solo/solo_communicator.h"

#include <utility>

#include "kernels/ops/elementwise.h"
#include "tensor_parallel/comm/contract/abort_flag.h"
#include "tensor_parallel/comm/contract/call.h"
#include "tensor_parallel/comm/contract/group_members.h"

namespace stagecraft {
namespace {

class SoloCommunicator : public Communicator {
 public:
  explicit SoloCommunicator(std::shared_ptr<AbortFlag> flag) : flag_(std::move(flag)) {}

  int rank() const override { return 0; }
  int size() const override { return 1; }

  void all_reduce(Stream& /*stream*/, const Tensor& x, ReduceOp op, Order /*order*/) override {
    begin({.operation = Operation::all_reduce, .reduce = op, .in = x});
  }
  void all_gather(Stream& stream, const Tensor& part, const Tensor& out) override {
    begin({.operation = Operation::all_gather, .in = part, .out = out});
    copy(stream, {.from = part, .to = out.view(part.shape())});
  }
  void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part,
                      Order /*order*/) override {
    begin({.operation = Operation::reduce_scatter, .in = x, .out = part});
    copy(stream, {.from = x, .to = part.view(x.shape())});
  }
  void broadcast(Stream& /*stream*/, const Tensor& x, int root) override {
    begin({.operation = Operation::broadcast, .peer = root, .in = x});
  }
  void send(Stream& /*stream*/, const Tensor& x, int to) override {
    begin({.operation = Operation::send, .peer = to, .in = x});
  }
  void recv(Stream& /*stream*/, const Tensor& x, int from) override {
    begin({.operation = Operation::recv, .peer = from, .in = x});
  }
  void barrier() override { flag_->check(); }

  std::unique_ptr<Communicator> make_group(const std::vector<int>& members, int tag) override {
    flag_->check();
    check_members(members, tag, 0, 1);
    return std::make_unique<SoloCommunicator>(flag_);
  }
  void abort(std::string_view culprit) noexcept override { flag_->raise(culprit); }
  void check() override { flag_->check(); }

 private:
  /// Also throws for every send and recv: a group of one has no peer.
  void begin(const Call& call) const {
    flag_->check();
    check_call(call, 0, 1);
  }

  std::shared_ptr<AbortFlag> flag_;
};

}  // namespace

std::unique_ptr<Communicator> make_solo_communicator() {
  return std::make_unique<SoloCommunicator>(std::make_shared<AbortFlag>());
}

}  // namespace stagecraft
