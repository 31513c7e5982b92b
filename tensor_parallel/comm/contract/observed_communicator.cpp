#include "tensor_parallel/comm/contract/observed_communicator.h"

namespace stagecraft {
namespace {

class ObservedCommunicator : public Communicator {
 public:
  ObservedCommunicator(std::unique_ptr<Communicator> inner, CommunicationObserver& observer)
      : inner_(std::move(inner)), observer_(observer) {}

  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }

  void all_reduce(Stream& stream, const Tensor& x, ReduceOp op, Order order) override {
    observed(&stream, "all_reduce", [&] { inner_->all_reduce(stream, x, op, order); });
  }
  void all_gather(Stream& stream, const Tensor& part, const Tensor& out) override {
    observed(&stream, "all_gather", [&] { inner_->all_gather(stream, part, out); });
  }
  void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part, Order order) override {
    observed(&stream, "reduce_scatter", [&] { inner_->reduce_scatter(stream, x, part, order); });
  }
  void broadcast(Stream& stream, const Tensor& x, int root) override {
    observed(&stream, "broadcast", [&] { inner_->broadcast(stream, x, root); });
  }
  void send(Stream& stream, const Tensor& x, int to) override {
    observed(&stream, "send", [&] { inner_->send(stream, x, to); });
  }
  void recv(Stream& stream, const Tensor& x, int from) override {
    observed(&stream, "recv", [&] { inner_->recv(stream, x, from); });
  }
  void barrier() override {
    observed(nullptr, "barrier", [&] { inner_->barrier(); });
  }
  Stream& communication_stream(Stream& stream) override {
    return inner_->communication_stream(stream);
  }
  std::unique_ptr<Communicator> make_group(const std::vector<int>& members, int tag) override {
    return observe(inner_->make_group(members, tag), observer_);
  }
  void abort(std::string_view culprit) noexcept override { inner_->abort(culprit); }
  void check() override { inner_->check(); }

 private:
  template <typename F>
  void observed(Stream* stream, std::string_view operation, F&& f) {
    if (inner_->size() == 1) {
      f();
      return;
    }
    observer_.begin(stream, operation);
    f();
    observer_.end(stream, operation);
  }

  std::unique_ptr<Communicator> inner_;
  CommunicationObserver& observer_;
};

}  // namespace

std::unique_ptr<Communicator> observe(std::unique_ptr<Communicator> inner,
                                      CommunicationObserver& observer) {
  return std::make_unique<ObservedCommunicator>(std::move(inner), observer);
}

}  // namespace stagecraft
