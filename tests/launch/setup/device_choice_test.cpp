#include "launch/setup/device_choice.h"

#include <fmt/format.h>

#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"
#include "kernels/core/device_report.h"
#include "kernels/ops/checks.h"
#include "launch/setup/resolve.h"
#include "tests/launch/example_config.h"

using namespace stagecraft;

namespace {

CountGpus gpus(int count) {
  return [count] { return DeviceCensus{count, count == 0 ? "the driver is too old" : ""}; };
}

DeviceChoice choice_of(const std::string& backend, int actors, int count) {
  LaunchConfig session;
  session.backend = backend;
  return choose_devices(session, actors, gpus(count));
}

}  // namespace

TEST_CASE("auto chooses GPUs if there is one per actor, else the CPU, and gives the reason") {
  const DeviceChoice enough = choice_of("auto", 2, 4);
  CHECK(enough.devices == std::vector<Device>{{DeviceKind::cuda, 0}, {DeviceKind::cuda, 1}});
  CHECK(devices_text(enough) == "cuda:0 to cuda:1");
  CHECK(enough.why == "one for each actor");
  const DeviceChoice few = choice_of("auto", 4, 2);
  CHECK(few.devices == std::vector<Device>{{}});
  CHECK_THAT(few.why, Catch::Contains("2 GPUs for 4 actors") && Catch::Contains("\"cuda\""));
  const DeviceChoice none = choice_of("auto", 1, 0);
  CHECK(devices_text(none) == "CPU");
  CHECK(none.why == "no GPU: the driver is too old");
}

TEST_CASE("cuda lets actors share GPUs, and is an error without one") {
  const DeviceChoice shared = choice_of("cuda", 4, 1);
  CHECK(shared.devices == std::vector<Device>{{DeviceKind::cuda, 0}});
  CHECK(shared.why == "shared by 4 actors");
  const auto on_host_without = [] { resolve(example({"device.backend=cuda"}), 2, gpus(0)); };
  CHECK_THAT(message_of(on_host_without),
             Catch::StartsWith("--set device.backend=cuda: ") &&
                 Catch::Contains("no GPU can be used: the driver is too old"));
}

TEST_CASE("device.backend = \"cpu\" does not count GPUs") {
  LaunchConfig session;
  session.backend = "cpu";
  CHECK_FALSE(choose_devices(session, 1, []() -> DeviceCensus {
                throw Error("count", "was called");
              }).on_gpus());
}

TEST_CASE("tf32 needs GPUs, and so does bf16 where the processor has no bfloat16") {
  const bool cpu_has_bfloat16 = without_bfloat16(*make_stream({}, {})).empty();
  for (const char* precision : {"tf32", "bf16"}) {
    const std::string word = fmt::format("train.precision={}", precision);
    const ResolvedRun run = resolve(example({word}), 2, gpus(2));
    CHECK(run.plan.batch.precision == run.settings.batch.precision);
    CHECK(run.settings.batch.precision != Precision::float32);
    if (precision == std::string("bf16") && cpu_has_bfloat16) {
      CHECK_NOTHROW(resolve(example({word}), 2, gpus(0)));
      continue;
    }
    CHECK_THAT(message_of([&] { resolve(example({word}), 2, gpus(0)); }),
               Catch::Contains("--set " + word) && Catch::Contains("the driver is too old") &&
                   Catch::Contains("float32"));
    CHECK_THAT(message_of([&] {
                 resolve(example({word, "device.backend=cpu"}), 2);
               }),
               Catch::Contains("--set device.backend=cpu") && Catch::Contains("as asked"));
  }
}

TEST_CASE("a process has its own GPU, or shares one when that is allowed") {
  LaunchConfig session;
  session.mode = "mpi";
  session.backend = "cuda";
  const auto choose = [&](int gpu_count, const GpuSharing& sharing) {
    return choose_devices(session, 4, gpus(gpu_count), sharing);
  };
  // 4 processes on one host, then on two.
  CHECK(choose(4, {.local_rank = 3, .local_size = 4}).devices ==
        std::vector<Device>{{DeviceKind::cuda, 3}});
  CHECK(choose(2, {.local_rank = 1, .local_size = 2}).devices ==
        std::vector<Device>{{DeviceKind::cuda, 1}});
  CHECK_THROWS_WITH(choose(2, {.local_rank = 1, .local_size = 4}),
                    Catch::Contains("2 GPUs for 4 processes") && Catch::Contains("--share-gpu") &&
                        Catch::Contains("\"threads\""));
  CHECK_THROWS_AS(choose(2, {}), ConfigError);  // as the launcher calls it
  const DeviceChoice shared = choose(2, {.allowed = true, .local_rank = 3, .local_size = 4});
  CHECK(shared.devices == std::vector<Device>{{DeviceKind::cuda, 1}});
  CHECK_THAT(shared.why, Catch::Contains("for tests"));
}

TEST_CASE("auto chooses GPUs for processes only on one host with a GPU for each") {
  LaunchConfig session;
  session.mode = "mpi";
  const auto on_gpus = [&](int gpu_count, const GpuSharing& sharing) {
    return choose_devices(session, 2, gpus(gpu_count), sharing).on_gpus();
  };
  CHECK(on_gpus(2, {}));
  CHECK(on_gpus(2, {.local_rank = 1, .local_size = 2}));
  CHECK_FALSE(on_gpus(1, {}));
  CHECK(on_gpus(1, {.allowed = true}));
  CHECK_FALSE(on_gpus(0, {.allowed = true}));
  CHECK_FALSE(on_gpus(2, {.local_rank = 0, .local_size = 1}));
}

TEST_CASE("threads share GPUs without --share-gpu") {
  CHECK_THROWS_WITH(choose_devices({}, 2, gpus(1), {.allowed = true}),
                    Catch::Contains("--share-gpu is for processes"));
}

TEST_CASE("the resolved configuration has the chosen backend and its source") {
  const ResolvedRun run = resolve(example(), 2, gpus(2));
  CHECK(run.settings.session.backend == "cuda");
  CHECK(run.sources.at("device.backend") == "default; auto: one for each actor");
  CHECK(resolve(example(), 2, gpus(1)).settings.session.backend == "cpu");
}

TEST_CASE("when GPUs are not counted, auto stays open") {
  const ResolvedRun run = resolve(example(), 2);
  CHECK(run.devices.open);
  CHECK(run.settings.session.backend == "auto");
  CHECK(run.sources.at("device.backend") == "default");
  CHECK(devices_text(run.devices) == "auto");
  CHECK_FALSE(resolve(example({"device.backend=cpu"}), 2).devices.open);
  CHECK(resolve(example({"device.backend=cuda"}), 2).devices.on_gpus());
}
