#include "tensor_parallel/comm/mpi/process_communicator.h"

#include <cstring>
#include <utility>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/contract/call_communicator.h"
#include "tensor_parallel/comm/mpi/collectives.h"
#include "tensor_parallel/comm/mpi/rendezvous.h"

namespace stagecraft::mpi {
namespace {

class ProcessCommunicator : public CallCommunicator {
 public:
  ProcessCommunicator(std::shared_ptr<World> world, std::vector<int> members,
                      std::unique_ptr<Exchange> exchange)
      : world_(std::move(world)), members_(std::move(members)), exchange_(std::move(exchange)) {}

  int rank() const override { return exchange_->rank(); }
  int size() const override { return exchange_->size(); }

  void barrier() override {
    world_->check();
    perform(*exchange_, {.operation = Operation::barrier});
  }

  std::unique_ptr<Communicator> split(int color, int key) override {
    world_->check();
    const GroupRank group_rank =
        group_rank_after_split(*world_, members_, meet_for_split(color, key), rank());
    const AllGatherText all_gather_text = [&](const std::string& mine) {
      return exchange_texts(*exchange_, mine);
    };
    return std::make_unique<ProcessCommunicator>(
        world_, group_rank.members, make_exchange(world_, group_rank, all_gather_text));
  }

  void abort(std::string_view culprit) noexcept override { world_->abort(culprit); }
  void check() override { world_->check(); }

 private:
  void begin(Stream& stream, const Call& call) {
    world_->check();
    require(stream.device().kind == DeviceKind::cpu, to_string(call.operation),
            "MPI groups communicate tensors on the CPU only, not on {}", stream.device());
  }

  void collective(Stream& stream, const Call& call) override {
    begin(stream, call);
    perform(*exchange_, call);
  }

  void message(Stream& stream, const Call& call) override {
    begin(stream, call);
    perform_pair(*exchange_, call);
  }

  std::vector<SplitArgs> meet_for_split(int color, int key) {
    const SplitArgs mine{.color = color, .key = key, .next_group = world_->next_group()};
    std::memcpy(exchange_->to_all() + kCallSignatureBytes, &mine, sizeof mine);
    rendezvous(*exchange_, {.operation = Operation::split}, sizeof mine);
    std::vector<SplitArgs> split_args(static_cast<std::size_t>(size()));
    for (int member = 0; member < size(); ++member) {
      std::memcpy(&split_args[static_cast<std::size_t>(member)],
                  exchange_->of(member) + kCallSignatureBytes, sizeof mine);
    }
    return split_args;
  }

  std::shared_ptr<World> world_;
  std::vector<int> members_;
  std::unique_ptr<Exchange> exchange_;
};

}  // namespace

std::unique_ptr<Communicator> make_process_communicator(std::shared_ptr<World> world,
                                                        std::vector<int> members,
                                                        std::unique_ptr<Exchange> exchange) {
  return std::make_unique<ProcessCommunicator>(std::move(world), std::move(members),
                                               std::move(exchange));
}

}  // namespace stagecraft::mpi
