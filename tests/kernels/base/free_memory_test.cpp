// What a host has left, from a folder that stands in for /proc and /sys.
#include "kernels/base/free_memory.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <limits>
#include <string>

#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

class Host {
 public:
  explicit Host(const std::string& groups) {
    write("proc/self/cgroup", groups);
    write("proc/meminfo", "MemTotal:  9000 kB\nMemFree:  10 kB\nMemAvailable:    4000 kB\n");
  }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_.path() / name).parent_path());
    std::ofstream(folder_.path() / name) << text;
  }
  std::int64_t free() const { return free_memory(folder_.path()); }

 private:
  TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("without control groups, what the system calls available is free") {
  CHECK(Host("").free() == 4000 << 10);
}

TEST_CASE("control groups, version 2: the group with the least left counts") {
  const Host host("0::/kube/pod\n");
  CHECK(host.free() == 4000 << 10);  // the container sees no file
  host.write("sys/fs/cgroup/memory.max", "max\n");
  host.write("sys/fs/cgroup/memory.current", "123\n");
  CHECK(host.free() == 4000 << 10);
  host.write("sys/fs/cgroup/kube/pod/memory.max", "1000000\n");
  host.write("sys/fs/cgroup/kube/pod/memory.current", "700000\n");
  CHECK(host.free() == 300000);
  host.write("sys/fs/cgroup/kube/pod/memory.stat", "anon 600000\ninactive_file 100000\nfile 7\n");
  CHECK(host.free() == 400000);  // files that are not in use are dropped
  host.write("sys/fs/cgroup/kube/memory.max", "100\n");
  host.write("sys/fs/cgroup/kube/memory.current", "200\n");
  CHECK(host.free() == 0);
}

TEST_CASE("control groups, version 1") {
  const Host host("5:memory:/docker/f00\n4:cpu,cpuacct:/a\n");
  const std::string group = "sys/fs/cgroup/memory/docker/f00/";
  host.write(group + "memory.limit_in_bytes", "1000000\n");
  host.write(group + "memory.usage_in_bytes", "900000\n");
  host.write(group + "memory.stat", "inactive_file 5\ntotal_inactive_file 50000\n");
  CHECK(host.free() == 150000);
}

TEST_CASE("a system that says nothing has no limit, and this one says something") {
  const TemporaryFolder empty;
  CHECK(free_memory(empty.path()) == std::numeric_limits<std::int64_t>::max());
  CHECK(free_memory() > 0);
  CHECK(free_memory() < std::numeric_limits<std::int64_t>::max());
}

}  // namespace stagecraft
