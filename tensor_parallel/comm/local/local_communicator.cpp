#include "tensor_parallel/comm/local/local_communicator.h"

#include <exception>
#include <utility>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/local/collectives.h"
#include "tensor_parallel/comm/local/group.h"
#include "tensor_parallel/comm/local/last_arrival.h"

namespace stagecraft {
namespace local {
namespace {

class LocalCommunicator : public Communicator {
 public:
  explicit LocalCommunicator(Seat seat) : group_(std::move(seat.group)), rank_(seat.rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_->size(); }

  void all_reduce(Stream& stream, const Tensor& x, ReduceOp op, Order /*order*/) override {
    collective(stream, {.operation = Operation::all_reduce, .reduce = op, .in = x});
  }
  void all_gather(Stream& stream, const Tensor& part, const Tensor& out) override {
    collective(stream, {.operation = Operation::all_gather, .in = part, .out = out});
  }
  void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part,
                      Order /*order*/) override {
    collective(stream, {.operation = Operation::reduce_scatter, .in = x, .out = part});
  }
  void broadcast(Stream& stream, const Tensor& x, int root) override {
    collective(stream, {.operation = Operation::broadcast, .peer = root, .in = x});
  }
  void send(Stream& stream, const Tensor& x, int to) override {
    const Call call{.operation = Operation::send, .peer = to, .in = x};
    check_pair(call);
    group_->mailbox(rank_, to).send(stream, call, group_->world()->flag());
  }
  void recv(Stream& stream, const Tensor& x, int from) override {
    const Call call{.operation = Operation::recv, .peer = from, .in = x};
    check_pair(call);
    group_->mailbox(from, rank_).recv(stream, call, group_->world()->flag());
  }
  void barrier() override {
    const Round& round = group_->meet(rank_, {}, [](Round& met) { open(met); });
    throw_fault(Operation::barrier, round);
  }

  std::unique_ptr<Communicator> split(int color, int key) override {
    const Call call{.operation = Operation::split, .color = color, .key = key};
    Round& round = group_->meet(rank_, {.call = call}, [&](Round& met) {
      open(met);
      if (met.fault.empty()) {
        met.seats = seats_of(group_->world(), met);
      }
    });
    throw_fault(Operation::split, round);
    return std::make_unique<LocalCommunicator>(
        std::exchange(round.seats.at(static_cast<std::size_t>(rank_)), {}));
  }

  void abort(std::string_view culprit) noexcept override { group_->world()->abort(culprit); }
  void check() override { group_->world()->flag().check(); }

 private:
  void check_pair(const Call& call) const {
    const std::string fault = stagecraft::fault_of(call, rank_, size());
    require(fault.empty(), to_string(call.operation), "rank {} calls {}: {}", rank_,
            to_string(call), fault);
  }

  static void throw_fault(Operation operation, const Round& round) {
    require(round.fault.empty(), to_string(operation), "{}", round.fault);
  }

  void collective(Stream& stream, const Call& call) {
    Posting posting{.call = call, .device = stream.device()};
    stream.record(posting.ready);
    Round& round =
        group_->meet(rank_, std::move(posting), [&](Round& met) { begin_collective(stream, met); });
    throw_fault(call.operation, round);
    if (round.finished) {
      join(stream, round.done);
    } else {
      do_part(stream, call, round);
    }
  }

  /// Between two meetings every member does its part on all members' tensors.
  void do_part(Stream& stream, const Call& call, Round& round) {
    Posting end;
    try {
      for (const Posting& posting : round.postings) {
        join(stream, posting.ready);
      }
      perform(stream, round.postings, rank_);
      stream.record(end.ready);
    } catch (const std::exception& error) {
      abort(fmt::format("rank {} in {}: {}", rank_, to_string(call), error.what()));
      throw;
    }
    end.call.operation = call.operation;
    const Round& over = group_->meet(rank_, std::move(end), [&](Round& /*met*/) { clear(round); });
    for (const Posting& posting : over.postings) {
      join(stream, posting.ready);
    }
  }

  std::shared_ptr<Group> group_;
  int rank_;
};

}  // namespace
}  // namespace local

std::vector<std::unique_ptr<Communicator>> make_local_world(int size) {
  require(size >= 1, "make_local_world", "a world of {} has no members", size);
  const auto group = local::Group::make(std::make_shared<local::World>(), size);
  std::vector<std::unique_ptr<Communicator>> members;
  members.reserve(static_cast<std::size_t>(size));
  for (int rank = 0; rank < size; ++rank) {
    members.push_back(
        std::make_unique<local::LocalCommunicator>(local::Seat{.group = group, .rank = rank}));
  }
  return members;
}

}  // namespace stagecraft
