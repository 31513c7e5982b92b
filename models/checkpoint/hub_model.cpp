#include "models/checkpoint/hub_model.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/base/error.h"
#include "models/checkpoint/hub_config.h"
#include "models/checkpoint/hub_tensors.h"
#include "models/checkpoint/weight_values.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

/// A tensor that the model needs, and where it is.
struct Source {
  WeightTensor tensor;
  const StoredTensor* stored;

  void read(const Box& box, std::span<float> values) const {
    if (const auto part = shared_part(tensor, box)) {
      read_weight_part(*part, stored->entry.dtype, stored->data, values);
    }
  }
};
using Sources = std::vector<Source>;

Source source_of(const WeightTensor& tensor, const StoredTensor& stored) {
  const SafetensorsEntry& entry = stored.entry;
  require(entry.shape == tensor.shape, stored.file,
          "tensor {} is {}, but the model needs {}; give the sizes of [model] that the folder has",
          tensor.name, entry.shape, tensor.shape);
  require(is_readable_weight(entry.dtype), stored.file,
          "tensor {} is {}; only F32, F16 and BF16 can be read: save the model as one of them",
          tensor.name, entry.dtype);
  return {tensor, &stored};
}

ParameterSpec parameter_named(const ModelSpec& model, const std::string& name) {
  const std::vector<ParameterSpec> all = model.parameters();
  const auto found = std::ranges::find(all, name, &ParameterSpec::name);
  require(found != all.end(), "WeightNames", "{} is no parameter of the model", name);
  return *found;
}

void fill(const Sources& sources, const Box& box, std::span<float> values) {
  for (const Source& source : sources) {
    source.read(box, values);
  }
}

/// Compares all that the copy holds with the parameter, bit for bit.
bool equals(const Source& copy, const Sources& original, const std::function<void()>& on_progress) {
  constexpr std::int64_t kBlock = std::int64_t{1} << 20;  // elements
  for (const Box& block : blocks_of(copy.tensor.part, kBlock)) {
    on_progress();
    const auto elements = static_cast<std::size_t>(elements_of(block.shape()));
    std::vector<float> found(elements);
    std::vector<float> expected(elements);
    copy.read(block, found);
    fill(original, block, expected);
    if (std::memcmp(found.data(), expected.data(), elements * sizeof(float)) != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace

struct HubModel::State {
  WeightFiles files;
  std::map<std::string, Sources, std::less<>> sources;  // by parameter

  State(const ModelSpec& model, const fs::path& folder, const std::function<void()>& on_progress)
      : files(folder, on_progress) {
    HubTensors tensors(files, model.weight_names);
    for (const ParameterSpec& parameter : model.parameters()) {
      for (const WeightTensor& tensor : weight_tensors(model.weight_names, parameter)) {
        sources[parameter.name].push_back(source_of(tensor, tensors.take(tensor)));
      }
    }
    check_copies(model, tensors, on_progress);
    tensors.check_none_left();
  }

  void check_copies(const ModelSpec& model, HubTensors& tensors,
                    const std::function<void()>& on_progress) const {
    for (const FileTensor& copy : model.weight_names.copies) {
      if (const StoredTensor* stored = tensors.take_if_there(copy.name)) {
        const ParameterSpec parameter = parameter_named(model, copy.parameter);
        require(equals(source_of(weight_tensor(copy, parameter), *stored),
                       sources.at(copy.parameter), on_progress),
                stored->file,
                "tensor {} differs from {}, but this model has one tensor for both; it cannot "
                "begin with a model that has two",
                copy.name, copy.parameter);
      }
    }
  }
};

HubModel::HubModel(const ModelSpec& model, const fs::path& folder,
                   const std::function<void()>& on_progress) {
  require(fs::is_directory(folder), folder.string(),
          "is not a directory; a model is a directory with model.safetensors and config.json");
  if (fs::exists(folder / "config.json")) {
    check_hub_config(folder / "config.json", model.config);
  }
  state_ = std::make_unique<State>(model, folder, on_progress);
}

HubModel::~HubModel() = default;

void HubModel::read(const StatePiece& piece, std::span<float> values) const {
  const auto sources = state_->sources.find(piece.parameter.name);
  require(sources != state_->sources.end() && piece.kind == StateKind::weight, state_->files.path(),
          "{} is not a weight of the model", piece.parameter.name);
  fill(sources->second, piece.box, values);
}

}  // namespace stagecraft
