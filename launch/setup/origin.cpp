#include "launch/setup/origin.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/backends/host_devices.h"
#include "models/checkpoint/checkpoint_manifest.h"
#include "tensor_parallel/comm/nccl/open_module.h"

namespace stagecraft {
namespace {

std::string part_of(const BackendReport& report, std::string_view name) {
  const auto found = std::find_if(report.parts.begin(), report.parts.end(),
                                  [&](const NamedFact& part) { return part.name == name; });
  return found == report.parts.end() ? "unknown" : found->value;
}

/// GPUs of processes reduce through NCCL.
std::string nccl_of(const ResolvedRun& run) {
  const bool used =
      run.devices.on_gpus() && run.settings.session.mode == "mpi" && run.plan.mesh.ranks() > 1;
  return used ? nccl_version() : "";
}

std::string text_origin(const TokenDataset& text) {
  return fmt::format("{} tokens, XXH3 {}", text.tokens(), hash_text(text.checksum()));
}

std::string value_of(const Origin& origin, const char* name) {
  const auto found = origin.find(name);
  return found == origin.end() ? "unknown" : found->second;
}

}  // namespace

Origin origin_of(const ResolvedRun& run, const TextData& text) {
  const Device device = run.devices.devices.front();
  const BackendReport report = report_backend(device.kind);
  const ParallelConfig& parallel = run.settings.parallel;
  return {{"program", "stagecraft " STAGECRAFT_VERSION},
          {"backend", run.devices.on_gpus() ? "cuda" : "cpu"},
          {"device", device_origin(device.kind, report, device.index)},
          {"libraries", library_origin(device.kind, report, nccl_of(run))},
          {"data", data_origin(text)},
          {"split", fmt::format("pipeline {} x tensor {} x data {}", parallel.pipeline,
                                parallel.tensor, parallel.data)}};
}

std::string device_origin(DeviceKind kind, const BackendReport& report, int index) {
  if (kind == DeviceKind::cpu) {
    return fmt::format("{}, {}", part_of(report, "processor"), part_of(report, "instructions"));
  }
  const auto at = static_cast<std::size_t>(index);
  return at < report.devices.size() ? fmt::format("{}, architecture {}", report.devices[at].name,
                                                  report.devices[at].architecture)
                                    : "unknown";
}

std::string library_origin(DeviceKind kind, const BackendReport& report, const std::string& nccl) {
  if (kind == DeviceKind::cpu) {
    return "oneDNN " + part_of(report, "oneDNN");
  }
  std::string text;
  for (const char* name : {"toolkit", "cublasLt", "cuDNN"}) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, part_of(report, name));
  }
  return nccl.empty() ? text : text + ", NCCL " + nccl;
}

std::string data_origin(const TextData& text) {
  std::string origin = "train " + text_origin(*text.train);
  return text.validation ? origin + "; validation " + text_origin(*text.validation) : origin;
}

std::string moved_origin(const Origin& was, const Origin& is) {
  std::string text;
  for (const char* name : {"program", "device", "libraries"}) {
    const std::string before = value_of(was, name);
    const std::string now = value_of(is, name);
    if (before != now) {
      text += fmt::format("{}{} was {} and is {}", text.empty() ? "" : ", ", name, before, now);
    }
  }
  return text;
}

}  // namespace stagecraft
