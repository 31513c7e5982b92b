#include "models/checkpoint/hub_tensors.h"

#include <algorithm>

#include "kernels/base/error.h"

namespace stagecraft {

bool matches(std::string_view pattern, std::string_view name) {
  const std::size_t star = pattern.find('*');
  if (star == std::string_view::npos) {
    return pattern == name;
  }
  if (!name.starts_with(pattern.substr(0, star))) {
    return false;
  }
  const std::string_view rest = name.substr(star);
  const std::size_t dot = std::min(rest.find('.'), rest.size());
  for (std::size_t end = 0; end <= dot; ++end) {
    if (matches(pattern.substr(star + 1), rest.substr(end))) {
      return true;
    }
  }
  return false;
}

HubTensors::HubTensors(const WeightFiles& files, const WeightNames& names)
    : files_(files), names_(names) {
  for (const auto& [name, stored] : files.tensors()) {
    const std::string_view plain = without_prefix(name);
    if (!ignores(plain)) {
      require(left_.emplace(plain, &stored).second, stored.file,
              "tensor {} occurs twice, with and without \"{}\"; remove one of the two", plain,
              names.prefix);
    }
  }
}

const StoredTensor& HubTensors::take(const WeightTensor& tensor) {
  const StoredTensor* stored = take_if_there(tensor.name);
  require(stored != nullptr, files_.path(),
          "tensor {} {} is missing; give the sizes of [model] that the folder has", tensor.name,
          tensor.shape);
  return *stored;
}

const StoredTensor* HubTensors::take_if_there(std::string_view name) {
  const auto found = left_.find(without_prefix(name));
  if (found == left_.end()) {
    return nullptr;
  }
  const StoredTensor* stored = found->second;
  left_.erase(found);
  return stored;
}

void HubTensors::check_none_left() const {
  if (left_.empty()) {
    return;
  }
  const auto& [name, stored] = *left_.begin();
  throw Error(stored->file,
              fmt::format("tensor {} {} belongs to no parameter of the model; give the family and "
                          "the sizes of [model] that the folder has",
                          name, to_string(stored->entry.shape)));
}

std::string_view HubTensors::without_prefix(std::string_view name) const {
  return name.starts_with(names_.prefix) ? name.substr(names_.prefix.size()) : name;
}

bool HubTensors::ignores(std::string_view name) const {
  return std::ranges::any_of(names_.ignored, [&](const std::string& pattern) {
    return matches(without_prefix(pattern), name);
  });
}

}  // namespace stagecraft
