#include "kernels/cpu/cpu_report.h"

#include <dnnl.h>
#include <fmt/format.h>

#include <thread>

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

}  // namespace

BackendReport report_cpu() {
  const dnnl_version_t* version = dnnl_version();
  return {.parts = {
              {"cores", fmt::format("{}", std::thread::hardware_concurrency())},
              {"instructions", instructions()},
              {"oneDNN", fmt::format("{}.{}.{}", version->major, version->minor, version->patch)}}};
}

}  // namespace stagecraft::cpu
