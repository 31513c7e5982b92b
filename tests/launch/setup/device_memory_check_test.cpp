#include "launch/setup/device_memory_check.h"

#include <catch2/catch.hpp>

#include "kernels/core/device_report.h"
#include "launch/setup/resolve.h"
#include "tests/launch/example_config.h"

using namespace stagecraft;

namespace {

/// The example's plan: two stages, of which the first needs more memory.
TrainingPlan two_stages() { return resolve(example(), 2).plan; }

std::int64_t planned(const TrainingPlan& plan, std::size_t stage) {
  return plan.memory[stage].total();
}

DeviceChoice gpus_of(const std::vector<std::int64_t>& bytes) {
  DeviceChoice choice;
  choice.devices.clear();
  choice.bytes = bytes;
  for (std::size_t index = 0; index < bytes.size(); ++index) {
    choice.devices.push_back({DeviceKind::cuda, static_cast<int>(index)});
  }
  return choice;
}

LaunchConfig mode(const std::string& name) {
  LaunchConfig session;
  session.mode = name;
  return session;
}

GpuSharing of_processes(int on_this_host) {
  GpuSharing sharing;
  sharing.local_size = on_this_host;
  return sharing;
}

}  // namespace

TEST_CASE("ranks that share a device must fit together") {
  const TrainingPlan plan = two_stages();
  const std::int64_t both = planned(plan, 0) + planned(plan, 1);
  CHECK_NOTHROW(check_device_memory(plan, mode("threads"), gpus_of({both}), {}));
  CHECK_THROWS_WITH(check_device_memory(plan, mode("threads"), gpus_of({both - 1}), {}),
                    Catch::StartsWith("parallel.pipeline") && Catch::Contains("cuda:0 has") &&
                        Catch::Contains("its 2 ranks together plan") &&
                        Catch::Contains("stagecraft plan"));
}

TEST_CASE("a rank with its own device must fit there") {
  const TrainingPlan plan = two_stages();
  REQUIRE(planned(plan, 0) > planned(plan, 1));
  CHECK_NOTHROW(check_device_memory(plan, mode("threads"),
                                    gpus_of({planned(plan, 0), planned(plan, 1)}), {}));
  CHECK_THROWS_WITH(check_device_memory(plan, mode("threads"),
                                        gpus_of({planned(plan, 0), planned(plan, 1) - 1}), {}),
                    Catch::Contains("cuda:1 has") && Catch::Contains("rank 1 plans"));
}

TEST_CASE("processes count the ranks that are known to be on their host") {
  const TrainingPlan plan = two_stages();
  const std::int64_t largest = planned(plan, 0);
  DeviceChoice small_host;
  small_host.bytes = {largest};
  const LaunchConfig session = mode("mpi");
  CHECK_NOTHROW(check_device_memory(plan, session, small_host, of_processes(1)));
  CHECK_THROWS_WITH(check_device_memory(plan, session, small_host, of_processes(2)),
                    Catch::Contains("this host has") && Catch::Contains("2 ranks together"));
  CHECK_THROWS_WITH(check_device_memory(plan, session, gpus_of({largest - 1}), of_processes(2)),
                    Catch::Contains("cuda:0 has") && Catch::Contains("a rank of stage 0 plans"));
}

TEST_CASE("a choice whose memory was not queried is accepted") {
  CHECK_NOTHROW(check_device_memory(two_stages(), mode("threads"), {}, {}));
}

TEST_CASE("a run that does not fit this host's memory is refused with locations") {
  const auto huge = [] {
    resolve(example({"model.hidden=16384", "model.layers=4096", "device.backend=cpu"}), 2,
            [] { return DeviceCensus{.why_none = "none"}; });
  };
  CHECK_THAT(message_of(huge),
             Catch::StartsWith("example.toml:") && Catch::Contains("this host has"));
}
