// The end of a world whose other members are not there: for one rank that is tested alone.
#pragma once

#include <memory>
#include <stdexcept>

#include "tensor_parallel/comm/solo/solo_communicator.h"

namespace stagecraft::test {

/// Its groups have the rank alone; anything else that needs others is an error.
class OneRankWorld : public Communicator {
 public:
  OneRankWorld(int rank, int size) : rank_(rank), size_(size) {}
  int rank() const override { return rank_; }
  int size() const override { return size_; }
  void all_reduce(Stream&, const Tensor&, ReduceOp, Order) override { refuse(); }
  void all_gather(Stream&, const Tensor&, const Tensor&) override { refuse(); }
  void reduce_scatter(Stream&, const Tensor&, const Tensor&, Order) override { refuse(); }
  void broadcast(Stream&, const Tensor&, int) override { refuse(); }
  void send(Stream&, const Tensor&, int) override { refuse(); }
  void recv(Stream&, const Tensor&, int) override { refuse(); }
  void barrier() override { refuse(); }
  std::unique_ptr<Communicator> make_group(const std::vector<int>&, int) override {
    return make_solo_communicator();
  }
  void abort(std::string_view) noexcept override {}
  void check() override {}

 private:
  [[noreturn]] static void refuse() { throw std::logic_error("the other ranks are not there"); }

  int rank_;
  int size_;
};

}  // namespace stagecraft::test
