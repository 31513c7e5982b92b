#include "stages/execute/arena_snapshot.h"

#include <iterator>
#include <utility>

#include "kernels/backends/make_stream.h"
#include "kernels/ops/host_copy.h"
#include "models/parameters/box_values.h"

namespace stagecraft {
namespace {

class ArenaSnapshot : public StateSnapshot {
 public:
  ArenaSnapshot(const ParameterStore& parameters, const std::vector<SavedPart>& parts,
                const SnapshotLayout& layout, std::span<const float> values,
                std::function<void()> wait)
      : parameters_(parameters),
        parts_(parts),
        layout_(layout),
        values_(values),
        wait_(std::move(wait)) {}

  void write(StateWriter& writer) override {
    wait_();
    for (const StateKind kind : kStateKinds) {
      for (const SavedPart& part : parts_) {
        for (const ShardBox& box : part.boxes) {
          write_box(parameters_.at(part.spec.name), kind, box, writer);
        }
      }
    }
  }

 private:
  /// The values from the box's first element to its last.
  std::span<const float> hull_values(const Parameter& parameter, StateKind kind,
                                     const ElementRun& hull) const {
    const std::int64_t at = static_cast<std::int64_t>(kind) * layout_.elements() +
                            layout_.at(parameter.place.begin + hull.begin);
    return values_.subspan(static_cast<std::size_t>(at), static_cast<std::size_t>(hull.count));
  }

  void write_box(const Parameter& parameter, StateKind kind, const ShardBox& box,
                 StateWriter& writer) const {
    const Shape& shape = parameter.weight.shape();
    const ElementRun hull = hull_of(box.local, shape);
    const std::span<const float> values = hull_values(parameter, kind, hull);
    const StatePiece piece{parameter.spec, kind, box.global};
    if (hull.count == elements_of(box.local.shape())) {
      writer.write(piece, values);
      return;
    }
    const HostValues gathered(elements_of(box.local.shape()));
    gather_box(values, box.local, shape, gathered.all());
    writer.write(piece, gathered.all());
  }

  const ParameterStore& parameters_;
  const std::vector<SavedPart>& parts_;
  const SnapshotLayout& layout_;
  std::span<const float> values_;  // the copies of the arenas, kind by kind
  std::function<void()> wait_;
};

const Tensor& arena_of(const ParameterArenas& arenas, StateKind kind) {
  switch (kind) {
    case StateKind::weight:
      return arenas.weights;
    case StateKind::first_moment:
      return arenas.first_moments;
    case StateKind::second_moment:
      return arenas.second_moments;
  }
  throw Error("ArenaSnapshots", "a kind of state that does not exist");
}

std::int64_t bytes_for(const SnapshotLayout& layout) {
  return layout.elements() * size_of(DType::float32) *
         static_cast<std::int64_t>(std::size(kStateKinds));
}

}  // namespace

ArenaSnapshots::ArenaSnapshots(Stream& stream, const ParameterStore& parameters,
                               const std::vector<SavedPart>& parts)
    : stream_(stream), parameters_(parameters), parts_(parts), layout_(parameters, parts) {}

ArenaSnapshots::~ArenaSnapshots() = default;

void ArenaSnapshots::make_memory() {
  if (memory_ == nullptr) {
    memory_ = std::make_unique<SnapshotMemory>(stream_.device(), bytes_for(layout_));
  }
}

std::unique_ptr<StateSnapshot> ArenaSnapshots::take(const std::function<void()>& on_progress) {
  make_memory();
  const HostMemory* const memory = memory_->get(on_progress);
  if (memory == nullptr) {
    return nullptr;
  }
  const std::span<std::byte> bytes = memory->bytes();
  const std::span<float> values(reinterpret_cast<float*>(bytes.data()),
                                bytes.size() / sizeof(float));
  start_copies(values);
  return std::make_unique<ArenaSnapshot>(
      parameters_, parts_, layout_, values,
      [copies = copies_.get(), end = copied_] { copies->synchronize(end); });
}

void ArenaSnapshots::start_copies(std::span<float> values) {
  if (copies_ == nullptr) {
    copies_ = make_stream(stream_.device(), {});
  }
  Event issued;
  stream_.record(issued);
  copies_->wait(issued);
  for (const StateKind kind : kStateKinds) {
    for (const auto& [place, at] : layout_.ranges()) {
      const auto count = static_cast<std::size_t>(place.end - place.begin);
      start_copy_to_host(
          *copies_, {arena_of(parameters_.arenas(), kind).rows(place.begin, place.end),
                     std::as_writable_bytes(values.subspan(static_cast<std::size_t>(at), count))});
    }
    values = values.subspan(static_cast<std::size_t>(layout_.elements()));
  }
  copied_ = {};
  copies_->record(copied_);
}

void ArenaSnapshots::await() { stream_.wait(std::exchange(copied_, {})); }

}  // namespace stagecraft
