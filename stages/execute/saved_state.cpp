#include "stages/execute/saved_state.h"

#include <utility>

#include "kernels/ops/host_copy.h"

namespace stagecraft {

SavedState::SavedState(Stream& stream, const ParameterStore& parameters,
                       std::vector<SavedPart> parts)
    : stream_(stream),
      parameters_(parameters),
      parts_(std::move(parts)),
      snapshots_(stream, parameters, parts_) {
  for (const StateKind kind : kStateKinds) {
    for (const SavedPart& part : parts_) {
      for (const ShardBox& box : part.boxes) {
        pieces_.push_back({part.spec, kind, box.global});
        add_hashed_box(hashing_, parameters.at(part.spec.name), kind, box,
                       static_cast<std::int64_t>(hashed_.size()));
      }
      hashed_.push_back({part.parameter, kind});
    }
  }
}

void SavedState::save(StateKind kind, StateWriter& writer) const {
  for (const SavedPart& part : parts_) {
    save_state(stream_, parameters_.at(part.spec.name), part.boxes, kind, writer);
  }
}

void SavedState::start_hashing() {
  hashing_.out = Tensor(stream_.memory(), {static_cast<std::int64_t>(hashed_.size()), 2},
                        DType::int32, MemoryLabel::workspace);
  tensor_hashes(stream_, hashing_);
}

std::vector<StateHash> SavedState::hashes() {
  const Tensor out = std::exchange(hashing_.out, {});
  require(!out.empty(), "SavedState", "no hashing was started");
  std::vector<std::uint64_t> values(hashed_.size());
  copy_to_host(stream_, {out, std::as_writable_bytes(std::span(values))});
  std::vector<StateHash> all = hashed_;
  for (std::size_t i = 0; i < all.size(); ++i) {
    all[i].hash = values[i];
  }
  return all;
}

}  // namespace stagecraft
