#include "kernels/cpu/runtime/cpu_report.h"

#include <dnnl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <limits>

#include "kernels/base/cpu_share.h"

namespace stagecraft::cpu {
namespace {

/// oneDNN's names are bits: a set contains the smaller ones.
std::string instructions() {
  const auto isa = dnnl_get_effective_cpu_isa();
  if (isa >= dnnl_cpu_isa_avx512_core_bf16) {
    return "AVX-512 with bfloat16";
  }
  if (isa >= dnnl_cpu_isa_avx512_core) {
    return "AVX-512";
  }
  return isa >= dnnl_cpu_isa_avx2 ? "AVX2" : "less than AVX2";
}

/// "model name : NAME" of the first core.
std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) {
      return line.substr(colon + 2);
    }
  }
  return "unknown";
}

std::int64_t address_space_limit() {
  rlimit limit{};
  const bool known = ::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
  return known ? static_cast<std::int64_t>(limit.rlim_cur)
               : std::numeric_limits<std::int64_t>::max();
}

/// A control group without a limit writes a word, or a number beyond all memory.
std::int64_t host_bytes() {
  std::int64_t bytes = std::int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGE_SIZE);
  for (const char* file :
       {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}) {
    std::int64_t limit = 0;
    if (std::ifstream(file) >> limit) {
      bytes = std::min(bytes, limit);
    }
  }
  return std::min(bytes, address_space_limit());
}

}  // namespace

DeviceCensus count_cpu() { return {.count = 1, .bytes = {host_bytes()}}; }

BackendReport report_cpu() {
  const dnnl_version_t* version = dnnl_version();
  return {.parts = {
              {"cores", fmt::format("{}", available_cores())},
              {"processor", processor()},
              {"instructions", instructions()},
              {"oneDNN", fmt::format("{}.{}.{}", version->major, version->minor, version->patch)}}};
}

}  // namespace stagecraft::cpu
