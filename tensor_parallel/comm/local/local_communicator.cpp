#include "tensor_parallel/comm/local/local_communicator.h"

#include <exception>
#include <numeric>
#include <utility>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/contract/call_communicator.h"
#include "tensor_parallel/comm/contract/group_members.h"
#include "tensor_parallel/comm/local/collectives.h"
#include "tensor_parallel/comm/local/forming_groups.h"
#include "tensor_parallel/comm/local/group.h"
#include "tensor_parallel/comm/local/last_arrival.h"

namespace stagecraft {
namespace local {
namespace {

class LocalCommunicator : public CallCommunicator {
 public:
  /// `members`: ranks of the world in the group's order.
  LocalCommunicator(std::shared_ptr<FormingGroups> forming, std::shared_ptr<Group> group,
                    std::vector<int> members, int rank)
      : forming_(std::move(forming)),
        group_(std::move(group)),
        members_(std::move(members)),
        rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return group_->size(); }

  void barrier() override {
    const Round& round = group_->meet(rank_, {}, [](Round& met) { open(met); });
    throw_fault(Operation::barrier, round);
  }

  std::unique_ptr<Communicator> make_group(const std::vector<int>& members, int tag) override {
    check();
    const int rank = check_members(members, tag, rank_, size());
    std::vector<int> in_world = members_in_world(members, members_);
    auto group = forming_->join(in_world, tag);
    auto member =
        std::make_unique<LocalCommunicator>(forming_, std::move(group), std::move(in_world), rank);
    member->barrier();
    return member;
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

  std::shared_ptr<FormingGroups> forming_;
  std::shared_ptr<Group> group_;
  std::vector<int> members_;
  int rank_;
};

}  // namespace
}  // namespace local

std::vector<std::unique_ptr<Communicator>> make_local_world(int size) {
  require(size >= 1, "make_local_world", "a world of {} has no members", size);
  const auto world = std::make_shared<local::World>();
  const auto forming = std::make_shared<local::FormingGroups>(world);
  const auto group = local::Group::make(world, size);
  std::vector<int> everyone(static_cast<std::size_t>(size));
  std::iota(everyone.begin(), everyone.end(), 0);
  std::vector<std::unique_ptr<Communicator>> members;
  members.reserve(static_cast<std::size_t>(size));
  for (int rank = 0; rank < size; ++rank) {
    members.push_back(std::make_unique<local::LocalCommunicator>(forming, group, everyone, rank));
  }
  return members;
}

}  // namespace stagecraft
