#include "models/parameters/parameter_state.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "kernels/ops/host_copy.h"

namespace stagecraft {
namespace {

/// Floats of the host that nobody has set: a vector would clear gigabytes on one thread.
struct HostValues {
  explicit HostValues(std::int64_t elements)
      : floats(std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(elements))),
        count(static_cast<std::size_t>(elements)) {}
  std::span<float> all() const { return {floats.get(), count}; }

  std::unique_ptr<float[]> floats;
  std::size_t count;
};

const Tensor& tensor_of(const Parameter& parameter, StateKind kind) {
  switch (kind) {
    case StateKind::weight:
      return parameter.weight;
    case StateKind::first_moment:
      return parameter.first_moment;
    case StateKind::second_moment:
      return parameter.second_moment;
  }
  throw Error("parameter_state", "a kind of state that does not exist");
}

std::span<float> part_of(std::span<float> values, const ElementRun& run) {
  return values.subspan(static_cast<std::size_t>(run.begin), static_cast<std::size_t>(run.count));
}

/// A box's elements within a rank's part. Where they do not follow each other there, they are
/// copied.
class BoxValues {
 public:
  BoxValues(std::span<float> local, const Box& box, const Shape& shape)
      : local_(local), runs_(runs_of(box, shape)) {
    if (runs_.size() > 1) {
      copy_ = std::make_unique<HostValues>(elements_of(box.shape()));
    }
  }
  std::span<float> values() const {
    return copy_ == nullptr ? part_of(local_, runs_.front()) : copy_->all();
  }
  void gather() const {
    for_each_run([](std::span<float> here, std::span<float> there) {
      std::copy(there.begin(), there.end(), here.begin());
    });
  }
  void scatter() const {
    for_each_run([](std::span<float> here, std::span<float> there) {
      std::copy(here.begin(), here.end(), there.begin());
    });
  }

 private:
  /// Calls f(part of the copy, part of the local tensor).
  template <typename F>
  void for_each_run(F f) const {
    if (copy_ == nullptr) {
      return;
    }
    std::int64_t begin = 0;
    for (const ElementRun& run : runs_) {
      f(part_of(copy_->all(), {begin, run.count}), part_of(local_, run));
      begin += run.count;
    }
  }

  std::span<float> local_;
  std::vector<ElementRun> runs_;
  std::unique_ptr<HostValues> copy_;  // null: the box is one run
};

bool is_padded(const Parameter& parameter, const Tensor& tensor) {
  std::int64_t held = 0;
  for (const ShardBox& box : parameter.boxes) {
    held += elements_of(box.global.shape());
  }
  return held < tensor.elements();
}

}  // namespace

void save_state(Stream& stream, const Parameter& parameter, StateKind kind, StateWriter& writer) {
  const Tensor& tensor = tensor_of(parameter, kind);
  const HostValues local(tensor.elements());
  copy_to_host(stream, tensor, local.all());
  for (const ShardBox& box : parameter.boxes) {
    const BoxValues piece(local.all(), box.local, tensor.shape());
    piece.gather();
    writer.write({parameter.spec, kind, box.global}, piece.values());
  }
}

void load_state(Stream& stream, const Parameter& parameter, StateKind kind,
                const StateReader& reader) {
  const Tensor& tensor = tensor_of(parameter, kind);
  const HostValues local(tensor.elements());
  if (is_padded(parameter, tensor)) {
    std::fill(local.all().begin(), local.all().end(), 0.0F);
  }
  for (const ShardBox& box : parameter.boxes) {
    const BoxValues piece(local.all(), box.local, tensor.shape());
    reader.read({parameter.spec, kind, box.global}, piece.values());
    piece.scatter();
  }
  copy_from_host(stream, std::span<const float>(local.all()), tensor);
}

}  // namespace stagecraft
