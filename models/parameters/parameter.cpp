#include "models/parameters/parameter.h"

#include <algorithm>
#include <set>
#include <span>

#include "kernels/ops/adamw.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/host_copy.h"

namespace stagecraft {
namespace {

constexpr std::int64_t kAlignment = kDecayUnit;  // elements: 64 bytes

/// A distinct parameter of a stage with its uses, in model order.
struct Entry {
  ParameterSpec spec;
  std::vector<std::string> uses;
  Shape local;
};

std::vector<Entry> entries_of(const std::vector<ParameterUse>& uses, int rank, int ranks) {
  std::vector<Entry> entries;
  for (const ParameterUse& use : uses) {
    auto known = std::find_if(entries.begin(), entries.end(), [&](const Entry& entry) {
      return entry.spec.name == use.parameter.name;
    });
    if (known == entries.end()) {
      const ParameterSpec& spec = use.parameter;
      entries.push_back({spec, {}, local_shape(spec.shape, spec.shard, rank, ranks)});
      known = std::prev(entries.end());
    }
    known->uses.push_back(use.use);
  }
  return entries;
}

std::int64_t aligned(std::int64_t elements) {
  return (elements + kAlignment - 1) / kAlignment * kAlignment;
}

Tensor zeroed_arena(Stream& stream, std::int64_t elements, MemoryLabel label,
                    DType dtype = DType::float32) {
  Tensor arena(stream.memory(), {elements}, dtype, label);
  fill_zero(stream, {arena});
  return arena;
}

Tensor part_of(const Tensor& arena, std::int64_t begin, const Shape& shape) {
  return arena.rows(begin, begin + elements_of(shape)).view(shape);
}

/// `entries` is in the order of the arenas. Adjacent parameters with weight decay share one range.
Tensor decayed_ranges(Stream& stream, const std::vector<Entry>& entries) {
  std::vector<std::int32_t> bounds;
  std::int64_t begin = 0;
  for (const Entry& entry : entries) {
    const std::int64_t end = begin + aligned(elements_of(entry.local));
    if (entry.spec.decayed() && end > begin) {
      const auto first = static_cast<std::int32_t>(begin / kDecayUnit);
      if (!bounds.empty() && bounds.back() == first) {
        bounds.pop_back();
      } else {
        bounds.push_back(first);
      }
      bounds.push_back(static_cast<std::int32_t>(end / kDecayUnit));
    }
    begin = end;
  }
  Tensor ranges(stream.memory(), {static_cast<std::int64_t>(bounds.size())}, DType::int32,
                MemoryLabel::optimizer);
  copy_from_host(stream, std::span<const std::int32_t>(bounds), ranges);
  return ranges;
}

ParameterArenas make_arenas(Stream& stream, const std::vector<Entry>& entries, DType compute) {
  std::int64_t total = 0;
  for (const Entry& entry : entries) {
    total += aligned(elements_of(entry.local));
  }
  ParameterArenas arenas{.weights = zeroed_arena(stream, total, MemoryLabel::weights),
                         .compute_weights = {},
                         .gradients = zeroed_arena(stream, total, MemoryLabel::gradients),
                         .first_moments = zeroed_arena(stream, total, MemoryLabel::optimizer),
                         .second_moments = zeroed_arena(stream, total, MemoryLabel::optimizer),
                         .decayed = decayed_ranges(stream, entries)};
  if (compute == DType::bfloat16) {
    arenas.compute_weights = zeroed_arena(stream, total, MemoryLabel::weights, compute);
  }
  return arenas;
}

}  // namespace

ParameterStore::ParameterStore(Stream& stream, const std::vector<ParameterUse>& uses, int rank,
                               int ranks, DType compute) {
  std::vector<Entry> entries = entries_of(uses, rank, ranks);
  std::reverse(entries.begin(), entries.end());  // backward order
  arenas_ = make_arenas(stream, entries, compute);
  const Tensor& compute_weights =
      arenas_.compute_weights.empty() ? arenas_.weights : arenas_.compute_weights;
  std::int64_t begin = 0;
  for (Entry& entry : entries) {
    Parameter parameter{.spec = entry.spec,
                        .boxes = shard_boxes(entry.spec.shape, entry.spec.shard, rank, ranks),
                        .weight = part_of(arenas_.weights, begin, entry.local),
                        .compute_weights = part_of(compute_weights, begin, entry.local),
                        .uses = entry.uses,
                        .gradients = {part_of(arenas_.gradients, begin, entry.local)},
                        .first_moment = part_of(arenas_.first_moments, begin, entry.local),
                        .second_moment = part_of(arenas_.second_moments, begin, entry.local)};
    while (parameter.gradients.size() < parameter.uses.size()) {
      const std::int64_t elements = elements_of(entry.local);
      parameter.gradients.push_back(
          zeroed_arena(stream, elements, MemoryLabel::gradients).view(entry.local));
    }
    index_[entry.spec.name] = parameters_.size();
    parameters_.push_back(std::move(parameter));
    begin += aligned(elements_of(entry.local));
  }
}

const Parameter& ParameterStore::at(std::string_view name) const {
  const auto found = index_.find(name);
  require(found != index_.end(), "ParameterStore", "{} is not a parameter of this stage", name);
  return parameters_[found->second];
}

const Tensor& ParameterStore::gradient(std::string_view name, std::string_view use) const {
  const Parameter& parameter = at(name);
  const auto found = std::find(parameter.uses.begin(), parameter.uses.end(), use);
  require(found != parameter.uses.end(), "ParameterStore", "{} has no use \"{}\" on this stage",
          name, use);
  return parameter.gradients[static_cast<std::size_t>(found - parameter.uses.begin())];
}

void ParameterStore::round_weights(Stream& stream) const {
  if (!arenas_.compute_weights.empty()) {
    convert(stream, {arenas_.weights, arenas_.compute_weights});
  }
}

std::vector<ParameterSpec> parameters_of(const std::vector<ParameterUse>& uses) {
  std::vector<ParameterSpec> parameters;
  std::set<std::string> seen;
  for (const ParameterUse& use : uses) {
    if (seen.insert(use.parameter.name).second) {
      parameters.push_back(use.parameter);
    }
  }
  return parameters;
}

ParameterBytes parameter_bytes(const std::vector<ParameterUse>& uses, int rank, int ranks,
                               DType compute) {
  ParameterBytes bytes;
  for (const Entry& entry : entries_of(uses, rank, ranks)) {
    const std::int64_t padded = 4 * aligned(elements_of(entry.local));
    const auto more_uses = static_cast<std::int64_t>(entry.uses.size()) - 1;
    bytes.weights += compute == DType::bfloat16 ? padded + padded / 2 : padded;
    bytes.gradients += padded + more_uses * 4 * elements_of(entry.local);
    bytes.optimizer += 2 * padded;
  }
  return bytes;
}

}  // namespace stagecraft
