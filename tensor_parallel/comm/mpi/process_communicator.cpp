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
                      std::unique_ptr<Table> table)
      : world_(std::move(world)), members_(std::move(members)), table_(std::move(table)) {}

  int rank() const override { return table_->rank(); }
  int size() const override { return table_->size(); }

  void barrier() override {
    world_->check();
    perform(*table_, {.operation = Operation::barrier});
  }

  std::unique_ptr<Communicator> split(int color, int key) override {
    world_->check();
    const Seat seat = seat_after_split(*world_, members_, meet_for_split(color, key), rank());
    const Spread spread = [&](const std::string& mine) { return exchange_texts(*table_, mine); };
    return std::make_unique<ProcessCommunicator>(world_, seat.members,
                                                 make_table(world_, seat, spread));
  }

  void abort(std::string_view culprit) noexcept override { world_->abort(culprit); }
  void check() override { world_->check(); }

 private:
  void begin(Stream& stream, const Call& call) {
    world_->check();
    require(stream.device().kind == DeviceKind::cpu, to_string(call.operation),
            "tensors of {} do not travel between processes", to_string(stream.device()));
  }

  void collective(Stream& stream, const Call& call) override {
    begin(stream, call);
    perform(*table_, call);
  }

  void message(Stream& stream, const Call& call) override {
    begin(stream, call);
    perform_pair(*table_, call);
  }

  std::vector<Wish> meet_for_split(int color, int key) {
    const Wish mine{.color = color, .key = key, .next_group = world_->next_group()};
    std::memcpy(table_->to_all() + kCardBytes, &mine, sizeof mine);
    meet(*table_, {.operation = Operation::split}, sizeof mine);
    std::vector<Wish> wishes(static_cast<std::size_t>(size()));
    for (int member = 0; member < size(); ++member) {
      std::memcpy(&wishes[static_cast<std::size_t>(member)], table_->of(member) + kCardBytes,
                  sizeof mine);
    }
    return wishes;
  }

  std::shared_ptr<World> world_;
  std::vector<int> members_;
  std::unique_ptr<Table> table_;
};

}  // namespace

std::unique_ptr<Communicator> make_process_communicator(std::shared_ptr<World> world,
                                                        std::vector<int> members,
                                                        std::unique_ptr<Table> table) {
  return std::make_unique<ProcessCommunicator>(std::move(world), std::move(members),
                                               std::move(table));
}

}  // namespace stagecraft::mpi
