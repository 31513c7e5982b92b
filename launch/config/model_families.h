// The families that `model.family` chooses from.
#pragma once

#include <string_view>
#include <vector>

#include "models/families/family.h"

namespace stagecraft {

/// In the order of the reference page.
const std::vector<const ModelFamily*>& model_families();

/// A program that has a family of its own adds it before its command line is read. The family must
/// outlive the program. Throws Error for a name that is taken.
void add_model_family(const ModelFamily& family);

/// Throws Error for a name that no family has; check_value() has refused it with its place before.
const ModelFamily& model_family(std::string_view name);

}  // namespace stagecraft
