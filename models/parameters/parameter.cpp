#include "models/parameters/parameter.h"

#include <algorithm>
#include <set>

#include "kernels/ops/adamw.h"
#include "kernels/ops/elementwise.h"

namespace stagecraft {
namespace {

constexpr std::int64_t kAlignment = kDecayUnit;  // elements: 64 bytes

/// A distinct parameter of a stage with its uses, in model order.
struct Entry {
  ParameterSpec spec;
  std::vector<std::string> uses;
  Shape local;
};

void add_use(std::vector<Entry>& entries, const ParameterUse& use, int rank, int ranks) {
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

std::vector<Entry> entries_of(const std::vector<ParameterUse>& uses, int rank, int ranks) {
  std::vector<Entry> entries;
  for (const ParameterUse& use : uses) {
    add_use(entries, use, rank, ranks);
  }
  return entries;
}

/// The parameters of each chunk, then the tied ones, each list in backward order. Within a list,
/// those whose gradients are summed over the same axes follow each other.
std::vector<std::vector<Entry>> groups_of(const std::vector<std::vector<ParameterUse>>& chunks,
                                          int rank, int ranks) {
  std::vector<std::vector<Entry>> groups(chunks.size() + 1);
  for (std::size_t chunk = 0; chunk < chunks.size(); ++chunk) {
    for (const ParameterUse& use : chunks[chunk]) {
      add_use(use.tied() ? groups.back() : groups[chunk], use, rank, ranks);
    }
  }
  for (std::vector<Entry>& group : groups) {
    std::reverse(group.begin(), group.end());
    std::stable_partition(group.begin(), group.end(),
                          [](const Entry& entry) { return !entry.spec.summed_over.tensor; });
  }
  return groups;
}

std::int64_t aligned(std::int64_t elements) {
  return (elements + kAlignment - 1) / kAlignment * kAlignment;
}

/// Makes arenas on one stream.
struct ArenaMaker {
  Stream& stream;
  const std::function<void()>& on_progress;

  Tensor zeroed(std::int64_t elements, MemoryLabel label, DType dtype = DType::float32) const {
    constexpr std::int64_t kBlock = std::int64_t{1} << 23;  // the host touches its pages here
    Tensor arena(stream.memory(), {elements}, dtype, label);
    for (std::int64_t begin = 0; begin < elements; begin += kBlock) {
      on_progress();
      fill_zero(stream, {arena.rows(begin, std::min(begin + kBlock, elements))});
    }
    return arena;
  }
};

ParameterArenas make_arenas(const ArenaMaker& make, std::int64_t total, DType compute) {
  ParameterArenas arenas{.weights = make.zeroed(total, MemoryLabel::weights),
                         .compute_weights = {},
                         .gradients = make.zeroed(total, MemoryLabel::gradients),
                         .first_moments = make.zeroed(total, MemoryLabel::optimizer),
                         .second_moments = make.zeroed(total, MemoryLabel::optimizer)};
  if (compute == DType::bfloat16) {
    arenas.compute_weights = make.zeroed(total, MemoryLabel::weights, compute);
  }
  return arenas;
}

std::int64_t total_of(const std::vector<std::vector<Entry>>& groups) {
  std::int64_t total = 0;
  for (const std::vector<Entry>& group : groups) {
    for (const Entry& entry : group) {
      total += aligned(elements_of(entry.local));
    }
  }
  return total;
}

/// Where the parameter lies in the arenas. Its boxes stay empty.
Parameter make_parameter(const Entry& entry, const ElementRange& place, UseIndex first_use,
                         const ParameterArenas& arenas) {
  const auto part_of = [&](const Tensor& arena) {
    return arena.rows(place.begin, place.end).view(entry.local);
  };
  return {.spec = entry.spec,
          .place = place,
          .boxes = {},
          .weight = part_of(arenas.weights),
          .compute_weights =
              part_of(arenas.compute_weights.empty() ? arenas.weights : arenas.compute_weights),
          .uses = entry.uses,
          .first_use = first_use,
          .first_moment = part_of(arenas.first_moments),
          .second_moment = part_of(arenas.second_moments)};
}

/// First uses lie in `arena`; a further use has memory of its own.
GradientSet make_set(const ArenaMaker& make, Tensor arena,
                     const std::vector<Parameter>& parameters) {
  std::vector<Tensor> by_use;
  for (const Parameter& parameter : parameters) {
    const Shape& local = parameter.weight.shape();
    by_use.push_back(arena.rows(parameter.place.begin, parameter.place.end).view(local));
    for (std::size_t use = 1; use < parameter.uses.size(); ++use) {
      by_use.push_back(make.zeroed(elements_of(local), MemoryLabel::gradients).view(local));
    }
  }
  return {std::move(arena), std::move(by_use)};
}

/// Adds elements that begin where the sums end.
void extend(std::vector<GradientSum>& sums, const GradientAxes& axes, const ElementRange& added) {
  if (sums.empty() || sums.back().axes != axes) {
    sums.push_back({added, axes});
  }
  sums.back().range.end = added.end;
}

}  // namespace

ParameterStore::ParameterStore(Stream& stream, const std::vector<std::vector<ParameterUse>>& chunks,
                               int rank, int ranks, DType compute,
                               const std::function<void()>& on_progress)
    : sums_(chunks.size() + 1) {
  const std::vector<std::vector<Entry>> groups = groups_of(chunks, rank, ranks);
  const ArenaMaker make{stream, on_progress};
  arenas_ = make_arenas(make, total_of(groups), compute);
  std::int64_t begin = 0;
  UseIndex first_use;
  const auto add_group = [&](std::size_t group) {
    for (const Entry& entry : groups[group]) {
      const ElementRange place{begin, begin + elements_of(entry.local)};
      begin += aligned(elements_of(entry.local));
      extend(sums_[group], entry.spec.summed_over, {place.begin, begin});
      index_[entry.spec.name] = parameters_.size();
      parameters_.push_back(make_parameter(entry, place, first_use, arenas_));
      first_use.value += entry.uses.size();
      parameters_.back().boxes = shard_boxes(entry.spec.shape, entry.spec.shard, rank, ranks);
    }
  };
  for (std::size_t chunk = chunks.size(); chunk-- > 0;) {
    add_group(chunk);
  }
  add_group(chunks.size());
  gradients_ = make_set(make, arenas_.gradients, parameters_);
}

const Parameter& ParameterStore::at(std::string_view name) const {
  const auto found = index_.find(name);
  require(found != index_.end(), "ParameterStore", "{} is not a parameter of this stage", name);
  return parameters_[found->second];
}

UseIndex ParameterStore::use(std::string_view name, std::string_view use) const {
  const Parameter& parameter = at(name);
  const auto found = std::find(parameter.uses.begin(), parameter.uses.end(), use);
  require(found != parameter.uses.end(), "ParameterStore", "{} has no use \"{}\" on this stage",
          name, use);
  return {parameter.first_use.value + static_cast<std::size_t>(found - parameter.uses.begin())};
}

GradientSet ParameterStore::make_gradients(Stream& stream) const {
  const std::function<void()> unobserved = [] {};
  const ArenaMaker make{stream, unobserved};
  return make_set(make, make.zeroed(arenas_.gradients.elements(), MemoryLabel::gradients),
                  parameters_);
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
