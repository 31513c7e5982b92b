#include "stages/plan/partition.h"

#include <algorithm>
#include <numeric>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

/// A run of layers that must not be cut, with its cost.
struct Atom {
  LayerRange layers;
  double cost = 0;
};

std::vector<Atom> atoms_of(const ModelSpec& model, const CostShape& shape) {
  std::vector<Atom> atoms;
  for (int i = 0; i < static_cast<int>(model.layers.size()); ++i) {
    const LayerSpec& layer = model.layers[static_cast<std::size_t>(i)];
    if (atoms.empty() || layer.cut_before) {
      atoms.push_back({{i, i}, 0});
    }
    const LayerCost cost = layer.cost(shape);
    atoms.back().layers.last = i + 1;
    atoms.back().cost +=
        cost.forward_flops + cost.backward_input_flops + cost.backward_weight_flops;
  }
  return atoms;
}

/// The number of runs if each is as long as possible and costs at most `bound`. Requires that no
/// atom costs more.
int runs_within(const std::vector<Atom>& atoms, double bound) {
  int runs = 1;
  double run = 0;
  for (const Atom& atom : atoms) {
    if (run + atom.cost > bound) {
      ++runs;
      run = 0;
    }
    run += atom.cost;
  }
  return runs;
}

constexpr double kRounding = 1e-9;

/// The smallest possible cost of the largest of `chunks` runs, to kRounding, by bisection. Fewer
/// runs than `chunks` count too, since runs can be cut further.
double smallest_bound(const std::vector<Atom>& atoms, int chunks) {
  double low = 0;
  double high = 0;
  for (const Atom& atom : atoms) {
    low = std::max(low, atom.cost);
    high += atom.cost;
  }
  while (high - low > kRounding / 8 * high) {
    const double middle = low + (high - low) / 2;
    (runs_within(atoms, middle) <= chunks ? high : low) = middle;
  }
  return high;
}

void check_chunks(const ModelSpec& model, int chunks, std::size_t atoms) {
  if (static_cast<std::size_t>(chunks) > atoms) {
    throw ConfigError(
        "parallel.pipeline parallel.chunks model.layers",
        fmt::format("{0} chunks of layers (stages x chunks per stage) need at least {0} "
                    "transformer blocks, and the model has {1}; lower parallel.pipeline or "
                    "parallel.chunks, or raise model.layers",
                    chunks, model.config.layers));
  }
}

}  // namespace

std::vector<LayerRange> partition_by_cost(const ModelSpec& model, const CostShape& shape,
                                          int chunks) {
  const std::vector<Atom> atoms = atoms_of(model, shape);
  check_chunks(model, chunks, atoms.size());
  const double bound = smallest_bound(atoms, chunks) * (1 + kRounding);
  std::vector<LayerRange> ranges;
  std::size_t next = 0;
  for (int chunk = 0; chunk < chunks; ++chunk) {
    // As many atoms as fit, leaving one for each later chunk.
    const std::size_t last = atoms.size() - static_cast<std::size_t>(chunks - chunk - 1);
    double run = atoms[next].cost;
    std::size_t end = next + 1;
    while (end < last && run + atoms[end].cost <= bound) {
      run += atoms[end++].cost;
    }
    ranges.push_back({atoms[next].layers.first, atoms[end - 1].layers.last});
    next = end;
  }
  return ranges;
}

std::vector<LayerRange> partition_by_list(const ModelSpec& model,
                                          const std::vector<std::int64_t>& blocks, int chunks) {
  const auto sum = std::accumulate(blocks.begin(), blocks.end(), std::int64_t{0});
  const bool positive = std::all_of(blocks.begin(), blocks.end(), [](auto n) { return n >= 1; });
  if (static_cast<int>(blocks.size()) != chunks || sum != model.config.layers || !positive) {
    throw ConfigError(
        "parallel.partition parallel.pipeline parallel.chunks model.layers",
        fmt::format("the partition lists {} chunks with {} blocks in all; it needs {} chunks of at "
                    "least one block each that add up to the model's {} layers",
                    blocks.size(), sum, chunks, model.config.layers));
  }
  const std::vector<Atom> atoms = atoms_of(model, {.samples = 1});
  std::vector<LayerRange> ranges;
  std::size_t next = 0;
  for (const std::int64_t count : blocks) {
    const std::size_t end = next + static_cast<std::size_t>(count);
    ranges.push_back({atoms[next].layers.first, atoms[end - 1].layers.last});
    next = end;
  }
  return ranges;
}

std::vector<ParameterUse> uses_of(const ModelSpec& model, const std::vector<LayerRange>& ranges) {
  std::vector<ParameterUse> uses;
  for (const LayerRange& range : ranges) {
    for (int i = range.first; i < range.last; ++i) {
      const auto& layer = model.layers[static_cast<std::size_t>(i)].parameters;
      uses.insert(uses.end(), layer.begin(), layer.end());
    }
  }
  return uses;
}

std::vector<std::vector<ParameterUse>> uses_by_run(const ModelSpec& model,
                                                   const std::vector<LayerRange>& ranges) {
  std::vector<std::vector<ParameterUse>> uses;
  std::transform(ranges.begin(), ranges.end(), std::back_inserter(uses),
                 [&](const LayerRange& range) { return uses_of(model, {range}); });
  return uses;
}

std::vector<LayerRange> ranges_of(const std::vector<LayerRange>& chunks,
                                  const std::vector<int>& stage_of_chunk, int stage) {
  std::vector<LayerRange> ranges;
  for (std::size_t chunk = 0; chunk < chunks.size(); ++chunk) {
    if (stage_of_chunk[chunk] == stage) {
      ranges.push_back(chunks[chunk]);
    }
  }
  return ranges;
}

}  // namespace stagecraft
