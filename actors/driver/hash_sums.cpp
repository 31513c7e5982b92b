#include "actors/driver/hash_sums.h"

#include <fmt/core.h>

#include <iterator>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

constexpr std::size_t kKinds = std::size(kStateKinds);

}  // namespace

HashSums::HashSums(std::size_t parameters) {
  for (std::size_t i = 0; i < parameters; ++i) {
    for (const StateKind kind : kStateKinds) {
      tensors_.push_back({static_cast<std::int32_t>(i), kind, 0});
    }
  }
}

void HashSums::add(const std::vector<WireHash>& hashes) {
  for (const WireHash& hash : hashes) {
    const auto kind = static_cast<std::size_t>(hash.kind);
    const std::size_t index = static_cast<std::size_t>(hash.parameter) * kKinds + kind;
    require(hash.parameter >= 0 && kind < kKinds && index < tensors_.size(), "protocol",
            "a hash of parameter {}, kind {} has come, which the model does not have",
            hash.parameter, kind);
    tensors_[index].hash += hash.hash;
  }
}

std::string difference(const HashSums& loaded, const CheckpointManifest& manifest) {
  for (const StateHash& hash : loaded.tensors()) {
    const CheckpointTensor& tensor = manifest.tensors.at(static_cast<std::size_t>(hash.parameter));
    const std::uint64_t saved = tensor.at(hash.kind).hash;
    if (hash.hash != saved) {
      return fmt::format("{} of {} has the hash {} after loading, and {} in the checkpoint",
                         to_string(hash.kind), tensor.name, hash_text(hash.hash), hash_text(saved));
    }
  }
  return "";
}

}  // namespace stagecraft
