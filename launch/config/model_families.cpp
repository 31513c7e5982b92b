#include "launch/config/model_families.h"

#include <algorithm>

#include "kernels/base/error.h"
#include "models/families/gpt.h"

namespace stagecraft {
namespace {

std::vector<const ModelFamily*>& list() {
  static std::vector<const ModelFamily*> families{&kGptFamily};
  return families;
}

const ModelFamily* find(std::string_view name) {
  const auto found = std::find_if(list().begin(), list().end(),
                                  [&](const ModelFamily* family) { return family->name == name; });
  return found == list().end() ? nullptr : *found;
}

}  // namespace

const std::vector<const ModelFamily*>& model_families() { return list(); }

void add_model_family(const ModelFamily& family) {
  require(find(family.name) == nullptr, "add_model_family", "there is a family \"{}\" already",
          family.name);
  require(family.check != nullptr && family.make != nullptr && family.hub_keys != nullptr,
          "add_model_family", "the family \"{}\" lacks check, make or hub_keys", family.name);
  list().push_back(&family);
}

const ModelFamily& model_family(std::string_view name) {
  const ModelFamily* found = find(name);
  require(found != nullptr, "model_family", "there is no family \"{}\"", name);
  return *found;
}

}  // namespace stagecraft
