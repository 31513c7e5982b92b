#include "tensor_parallel/comm/local/local_communicator.h"

#include <exception>
#include <utility>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/contract/call_communicator.h"
#include "tensor_parallel/comm/local/collectives.h"
#include "tensor_parallel/comm/local/group.h"
#include "tensor_parallel/comm/local/last_arrival.h"

namespace stagecraft {
namespace local {
namespace {

class LocalCommunicator : public CallCommunicator {
 public:
  explicit LocalCommunicator(GroupRank group_rank)
      : group_(std::move(group_rank.group)), rank_(group_rank.rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_->size(); }

  void barrier() override {
    const Round& round = group_->meet(rank_, {}, [](Round& met) { open(met); });
    throw_fault(Operation::barrier, round);
  }

  std::unique_ptr<Communicator> split(int color, int key) override {
    const Call call{.operation = Operation::split, .color = color, .key = key};
    Round& round = group_->meet(rank_, {.call = call}, [&](Round& met) {
      open(met);
      if (met.fault.empty()) {
        met.group_ranks = group_ranks_of(group_->world(), met);
      }
    });
    throw_fault(Operation::split, round);
    return std::make_unique<LocalCommunicator>(
        std::exchange(round.group_ranks.at(static_cast<std::size_t>(rank_)), {}));
  }

  void abort(std::string_view culprit) noexcept override { group_->world()->abort(culprit); }
  void check() override { group_->world()->flag().check(); }

 private:
  static void throw_fault(Operation operation, const Round& round) {
    require(round.fault.empty(), to_string(operation), "{}", round.fault);
  }

  void message(Stream& stream, const Call& call) override {
    if (call.operation == Operation::send) {
      group_->mailbox(rank_, call.peer).send(stream, call, group_->world()->flag());
    } else {
      group_->mailbox(call.peer, rank_).recv(stream, call, group_->world()->flag());
    }
  }

  void collective(Stream& stream, const Call& call) override {
    Posting posting{.call = call, .device = stream.device()};
    stream.record(posting.ready);
    Round& round =
        group_->meet(rank_, std::move(posting), [&](Round& met) { begin_collective(stream, met); });
    throw_fault(call.operation, round);
    if (round.finished) {
      wait(stream, round.done);
    } else {
      do_part(stream, call, round);
    }
  }

  /// Every member does its part on all members' tensors, and then meets the others again.
  void do_part(Stream& stream, const Call& call, Round& round) {
    Posting end;
    try {
      for (const Posting& posting : round.postings) {
        wait(stream, posting.ready);
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
      wait(stream, posting.ready);
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
        std::make_unique<local::LocalCommunicator>(local::GroupRank{.group = group, .rank = rank}));
  }
  return members;
}

}  // namespace stagecraft
