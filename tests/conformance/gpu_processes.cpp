#include "tests/conformance/gpu_processes.h"

#include <fmt/core.h>

#include "kernels/backends/host_devices.h"
#include "kernels/backends/make_stream.h"
#include "kernels/core/device_report.h"
#include "launch/setup/gpu_environment.h"
#include "tensor_parallel/comm/nccl/nccl_communicator.h"
#include "tensor_parallel/comm/nccl/open_module.h"

namespace stagecraft::test {
namespace {

int& device_count() {
  static int count = 0;
  return count;
}

/// CUDA and NCCL read the environment at first use. Counting the devices is CUDA's first use.
std::string why_skipped() {
  set_gpu_environment(process_rank(), false);
  const DeviceCensus census = count_devices(DeviceKind::cuda);
  device_count() = census.count;
  if (census.count == 0) {
    return fmt::format("cuda: skipped, no GPU ({})", census.why_none);  // ctest looks for this text
  }
  set_gpu_environment(process_rank(), process_count() > census.count);
  return {};
}

}  // namespace

Device process_gpu() { return {DeviceKind::cuda, process_rank() % device_count()}; }

std::shared_ptr<nccl::World> open_process_nccl(Communicator& world) {
  return open_nccl(process_gpu(), world.make_group({world.rank()}, 0));
}

void run_on_gpus(const std::string& test, const MemberFunction& function) {
  run_session(test, std::nullopt, [&](MpiSession& session, const auto& doing) {
    auto world = session.world();
    doing("joining");
    auto nccl = open_process_nccl(*world);
    const auto stream = make_stream(process_gpu(), {});
    const auto group = make_nccl_communicator(std::move(nccl), std::move(world));
    Member member{*group, *stream, doing};
    try {
      session.exchange("");  // no process ends the world before all have joined
      doing("started");
      function(member);
    } catch (...) {
      group->abort("a failed member");
      throw;
    }
  });
}

}  // namespace stagecraft::test

int main(int argc, char** argv) {
  return stagecraft::test::run_tests(argc, argv, stagecraft::test::why_skipped);
}
