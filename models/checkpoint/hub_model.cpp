#include "models/checkpoint/hub_model.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "kernels/base/error.h"
#include "kernels/base/mapped_file.h"
#include "models/checkpoint/hub_config.h"
#include "models/checkpoint/safetensors.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kHead = "lm_head.weight";
constexpr std::string_view kTable = "wte.weight";

std::string_view without_prefix(std::string_view name) {
  constexpr std::string_view kPrefix = "transformer.";
  return name.starts_with(kPrefix) ? name.substr(kPrefix.size()) : name;
}

/// h.I.attn.bias and h.I.attn.masked_bias are the causal mask, not parameters.
bool is_mask(std::string_view name) {
  return name.starts_with("h.") &&
         (name.ends_with(".attn.bias") || name.ends_with(".attn.masked_bias"));
}

std::span<const std::byte> data_of(const MappedFile& file, const SafetensorsEntry& entry) {
  return file.bytes().subspan(static_cast<std::size_t>(entry.begin),
                              static_cast<std::size_t>(entry.bytes));
}

bool equal(std::span<const std::byte> a, std::span<const std::byte> b,
           const std::function<void()>& on_progress) {
  constexpr std::size_t kBlock = std::size_t{4} << 20;
  bool same = a.size() == b.size();
  while (same && !a.empty()) {
    const std::size_t count = std::min(kBlock, a.size());
    on_progress();
    same = std::memcmp(a.data(), b.data(), count) == 0;
    a = a.subspan(count);
    b = b.subspan(count);
  }
  return same;
}

}  // namespace

struct HubModel::State {
  std::string path;
  MappedFile file;
  std::map<std::string, SafetensorsEntry, std::less<>> entries;  // by name without prefix

  explicit State(const fs::path& weights)
      : path(weights.string()), file(weights, MappedFile::Access::read) {}

  void collect(const SafetensorsLayout& layout) {
    for (const auto& [name, entry] : layout.entries) {
      const std::string_view plain = without_prefix(name);
      if (!is_mask(plain)) {
        require(entries.emplace(plain, entry).second, path,
                "tensor {} occurs twice, with and without \"transformer.\"", plain);
      }
    }
  }

  /// Removes a head that is a copy of the token table, because the model's head is tied to it.
  void drop_tied_head(const std::function<void()>& on_progress) {
    const auto head = entries.find(kHead);
    const auto table = entries.find(kTable);
    if (head == entries.end() || table == entries.end()) {
      return;
    }
    require(head->second.shape == table->second.shape &&
                equal(data_of(file, head->second), data_of(file, table->second), on_progress),
            path, "{} differs from {}, but this model's head is tied to its token embedding", kHead,
            kTable);
    entries.erase(head);
  }

  void check(const ParameterSpec& spec) const {
    const auto found = entries.find(spec.name);
    require(found != entries.end(), path, "tensor {} {} is missing", spec.name,
            to_string(spec.shape));
    const SafetensorsEntry& entry = found->second;
    require(entry.shape == spec.shape, path, "tensor {} is {}, but the model needs {}", spec.name,
            to_string(entry.shape), to_string(spec.shape));
    require(entry.dtype == "F32", path, "tensor {} is {}; only F32 (float32) can be read",
            spec.name, entry.dtype);
  }

  void check_all(const ModelSpec& model) const {
    const std::vector<ParameterSpec> parameters = model.parameters();
    for (const auto& [name, entry] : entries) {
      const bool known = std::any_of(
          parameters.begin(), parameters.end(),
          [&name = name](const ParameterSpec& parameter) { return parameter.name == name; });
      require(known, path, "tensor {} {} does not belong to a GPT-2 with {} layers", name,
              to_string(entry.shape), model.config.layers);
    }
    for (const ParameterSpec& parameter : parameters) {
      check(parameter);
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
  const fs::path weights = folder / "model.safetensors";
  state_ = std::make_unique<State>(weights);
  state_->collect(read_safetensors_layout(weights, std::as_const(state_->file).bytes()));
  state_->drop_tied_head(on_progress);
  state_->check_all(model);
}

HubModel::~HubModel() = default;

void HubModel::read(const StatePiece& piece, std::span<float> values) const {
  const ParameterSpec& spec = piece.parameter;
  const auto entry = state_->entries.find(spec.name);
  require(entry != state_->entries.end() && piece.kind == StateKind::weight, state_->path,
          "{} is not a weight of the model", spec.name);
  const auto source = data_of(std::as_const(state_->file), entry->second);
  float* to = values.data();
  for (const ElementRun& run : runs_of(piece.box, spec.shape)) {
    // The format does not guarantee that data is aligned to its elements.
    std::memcpy(to, source.data() + run.begin * size_of(DType::float32),
                static_cast<std::size_t>(run.count * size_of(DType::float32)));
    to += run.count;
  }
}

}  // namespace stagecraft
