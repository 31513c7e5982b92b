#include "tensor_parallel/comm/mpi/process_communicator.h"

#include <utility>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/contract/call_communicator.h"
#include "tensor_parallel/comm/contract/group_members.h"
#include "tensor_parallel/comm/mpi/collectives.h"
#include "tensor_parallel/comm/mpi/group.h"

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

  std::unique_ptr<Communicator> make_group(const std::vector<int>& members, int tag) override {
    world_->check();
    check_members(members, tag, rank(), size());
    std::vector<int> in_world = members_in_world(members, members_);
    auto exchange = make_exchange(world_, in_world, group_number(tag));
    return std::make_unique<ProcessCommunicator>(world_, std::move(in_world), std::move(exchange));
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
