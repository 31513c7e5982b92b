#include "launch/report/attention_lines.h"

#include <fmt/format.h>

namespace stagecraft {
namespace {

/// Why cuDNN does not compute the attention of this run; "" if it does (kernels/cuda,
/// CudnnAttention).
std::string fault_of_cudnn(const ResolvedRun& run, bool cudnn) {
  const ModelConfig& model = run.plan.model.config;
  const std::int64_t head = model.hidden / model.heads;
  constexpr std::int64_t kMultiple = 8;
  constexpr std::int64_t kMaxHead = 256;
  if (run.settings.batch.precision != Precision::bf16) {
    return "cuDNN's is for train.precision = \"bf16\"";
  }
  if (head % kMultiple != 0 || head > kMaxHead) {
    return fmt::format(
        "cuDNN's is for heads (model.hidden / model.heads) of a multiple of {} up to {}, not {}",
        kMultiple, kMaxHead, head);
  }
  return cudnn ? "" : "this build has no cuDNN (docs/cuda.md, Building)";
}

}  // namespace

std::string attention_lines(const ResolvedRun& run, bool cudnn) {
  if (!run.devices.on_gpus() && !run.devices.open) {
    return "";
  }
  const char* const where = run.devices.open ? "on GPUs " : "";
  if (const std::string fault = fault_of_cudnn(run, cudnn); !fault.empty()) {
    return fmt::format("Attention {}by the own kernel, which is slow: {}\n", where, fault);
  }
  return run.plan.model.config.dropout > 0
             ? fmt::format(
                   "Attention {}by cuDNN: another micro_batch or tensor size draws other masks\n",
                   where)
             : "";
}

bool has_cudnn() { return STAGECRAFT_HAS_CUDNN; }

}  // namespace stagecraft
