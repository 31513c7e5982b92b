// The tensors of a folder by their names without the family's prefix, each to be taken once.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "models/checkpoint/weight_files.h"
#include "models/checkpoint/weight_layout.h"
#include "models/families/weight_names.h"

namespace stagecraft {

/// Whether a name is one of a pattern, in which "*" stands for text without a dot.
bool matches(std::string_view pattern, std::string_view name);

class HubTensors {
 public:
  /// Drops what the names say to ignore. Throws Error for a tensor that is there with the prefix
  /// and without it. Both arguments must outlive it.
  HubTensors(const WeightFiles& files, const WeightNames& names);
  /// Throws Error if the tensor is missing.
  const StoredTensor& take(const WeightTensor& tensor);
  /// Null if the tensor is missing.
  const StoredTensor* take_if_there(std::string_view name);
  /// Throws Error that names a tensor that was not taken.
  void check_none_left() const;

 private:
  std::string_view without_prefix(std::string_view name) const;
  bool ignores(std::string_view name) const;

  const WeightFiles& files_;
  const WeightNames& names_;
  std::map<std::string_view, const StoredTensor*> left_;
};

}  // namespace stagecraft
