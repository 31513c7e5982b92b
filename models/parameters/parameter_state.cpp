#include "models/parameters/parameter_state.h"

#include <algorithm>
#include <array>

#include "kernels/ops/host_copy.h"
#include "models/parameters/box_values.h"

namespace stagecraft {
namespace {

bool is_padded(const Parameter& parameter, const Tensor& tensor) {
  std::int64_t held = 0;
  for (const ShardBox& box : parameter.boxes) {
    held += elements_of(box.global.shape());
  }
  return held < tensor.elements();
}

/// Fills `to` with a box's elements. Where they do not follow each other on the device, they pass
/// through memory of the host in blocks.
void copy_box_to_host(Stream& stream, const Tensor& tensor, const Box& box, std::span<float> to) {
  constexpr std::int64_t kBlock = std::int64_t{1} << 24;  // elements
  const Tensor flat = tensor.view({tensor.elements()});
  const bool one_run = hull_of(box, tensor.shape()).count == elements_of(box.shape());
  for (const Box& block : one_run ? std::vector{box} : blocks_of(box, kBlock)) {
    const ElementRun hull = hull_of(block, tensor.shape());
    const Tensor from = flat.rows(hull.begin, hull.begin + hull.count);
    const std::span<float> values = to.first(static_cast<std::size_t>(elements_of(block.shape())));
    if (one_run) {
      copy_to_host(stream, from, values);
    } else {
      const HostValues between(hull.count);
      copy_to_host(stream, from, between.all());
      gather_box(between.all(), block, tensor.shape(), values);
    }
    to = to.subspan(values.size());
  }
}

}  // namespace

std::string_view to_string(StateKind kind) {
  constexpr std::array<std::string_view, std::size(kStateKinds)> kNames{"weight", "first moment",
                                                                        "second moment"};
  return kNames.at(static_cast<std::size_t>(kind));
}

const Tensor& state_of(const Parameter& parameter, StateKind kind) {
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

void save_state(Stream& stream, const Parameter& parameter, const std::vector<ShardBox>& boxes,
                StateKind kind, StateWriter& writer) {
  for (const ShardBox& box : boxes) {
    const HostValues values(elements_of(box.local.shape()));
    copy_box_to_host(stream, state_of(parameter, kind), box.local, values.all());
    writer.write({parameter.spec, kind, box.global}, values.all());
  }
}

void load_state(Stream& stream, const Parameter& parameter, StateKind kind,
                const StateReader& reader) {
  const Tensor& tensor = state_of(parameter, kind);
  const HostValues local(tensor.elements());
  if (is_padded(parameter, tensor)) {
    std::fill(local.all().begin(), local.all().end(), 0.0F);
  }
  for (const ShardBox& box : parameter.boxes) {
    const ElementRun hull = hull_of(box.local, tensor.shape());
    const std::span<float> part = local.part(hull);
    if (hull.count == elements_of(box.local.shape())) {
      reader.read({parameter.spec, kind, box.global}, part);
    } else {
      const HostValues values(elements_of(box.local.shape()));
      reader.read({parameter.spec, kind, box.global}, values.all());
      scatter_box(values.all(), box.local, tensor.shape(), part);
    }
  }
  copy_from_host(stream, std::span<const float>(local.all()), tensor);
}

}  // namespace stagecraft
