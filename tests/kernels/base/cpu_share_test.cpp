// What control groups and the processor mask grant, from a folder that stands in for /proc and
// /sys.
#include "kernels/base/cpu_share.h"

#include <sched.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

class Host {
 public:
  explicit Host(const std::string& groups) { write("proc/self/cgroup", groups); }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_.path() / name).parent_path());
    std::ofstream(folder_.path() / name) << text;
  }
  std::optional<int> cores() const { return quota_cores(folder_.path()); }

 private:
  TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("control groups, version 2: the smallest quota from the root to the process counts") {
  const Host host("0::/kube/pod\n");
  CHECK(host.cores() == std::nullopt);  // the container sees no file
  host.write("sys/fs/cgroup/cpu.max", "max 100000\n");
  CHECK(host.cores() == std::nullopt);
  host.write("sys/fs/cgroup/kube/cpu.max", "800000 100000\n");
  CHECK(host.cores() == 8);
  host.write("sys/fs/cgroup/kube/pod/cpu.max", "400000 100000\n");
  CHECK(host.cores() == 4);
  host.write("sys/fs/cgroup/cpu.max", "50000 100000\n");
  CHECK(host.cores() == 1);
}

TEST_CASE("control groups, version 1: quota and period are two files, and -1 is no quota") {
  const Host host("5:memory:/a\n4:cpu,cpuacct:/docker/f00\n3:cpuset:/b\n");
  const std::string cpu = "sys/fs/cgroup/cpu,cpuacct/";
  host.write("sys/fs/cgroup/memory/a/cpu.cfs_quota_us", "1000\n");
  host.write("sys/fs/cgroup/memory/a/cpu.cfs_period_us", "1000\n");
  host.write(cpu + "cpu.cfs_quota_us", "-1\n");
  host.write(cpu + "cpu.cfs_period_us", "100000\n");
  CHECK(host.cores() == std::nullopt);
  host.write(cpu + "docker/f00/cpu.cfs_quota_us", "250000\n");
  host.write(cpu + "docker/f00/cpu.cfs_period_us", "100000\n");
  CHECK(host.cores() == 3);  // two and a half processors' time keeps three threads busy
}

TEST_CASE("without control groups there is no quota") {
  const TemporaryFolder empty;
  CHECK(quota_cores(empty.path()) == std::nullopt);
}

TEST_CASE("cores are those of the processor mask") {
  cpu_set_t all;
  CPU_ZERO(&all);
  REQUIRE(::sched_getaffinity(0, sizeof(all), &all) == 0);
  CHECK(affinity_cores() == CPU_COUNT(&all));
  CHECK(affinity_cores(::getppid()) >= 1);
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int cpu = 0; CPU_COUNT(&one) == 0; ++cpu) {
    if (CPU_ISSET(cpu, &all)) {
      CPU_SET(cpu, &one);
    }
  }
  REQUIRE(::sched_setaffinity(0, sizeof(one), &one) == 0);
  CHECK(affinity_cores() == 1);
  CHECK(available_cores() == 1);
  REQUIRE(::sched_setaffinity(0, sizeof(all), &all) == 0);
}

}  // namespace stagecraft
