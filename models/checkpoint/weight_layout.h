// Which tensors a model's weight files hold, and where the elements of a parameter lie in them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/families/weight_names.h"
#include "models/parameters/parameter.h"
#include "tensor_parallel/sharding/box.h"

namespace stagecraft {

/// A tensor of the files.
struct WeightTensor {
  std::string name;
  Shape shape;              // in the file
  Box part;                 // of the parameter: what the tensor holds
  bool transposed = false;  // the file has the part's columns as rows
};

/// A tensor as a family describes it. Throws Error if the parameter has no such part.
WeightTensor weight_tensor(const FileTensor& tensor, const ParameterSpec& parameter);

/// The tensors that hold a parameter, in the order of its columns. Throws Error unless each of its
/// elements lies in one of them.
std::vector<WeightTensor> weight_tensors(const WeightNames& names, const ParameterSpec& parameter);

/// The elements that a tensor of the files and a box of its parameter share.
struct WeightPart {
  Box in_file;
  Shape file;  // of the tensor
  Box in_box;
  Shape box;
  bool transposed = false;
};
std::optional<WeightPart> shared_part(const WeightTensor& tensor, const Box& box);

/// Elements that follow each other in the file's tensor, and are `stride` apart in the box.
struct WeightRun {
  std::int64_t in_file = 0;
  std::int64_t in_box = 0;
  std::int64_t count = 0;
  std::int64_t stride = 1;
};
/// Calls `f` for runs that are all of the part. Both sides of a transposed part are gone through in
/// tiles that fit a cache, in the order of the file.
void for_each_run(const WeightPart& part, const std::function<void(const WeightRun&)>& f);

}  // namespace stagecraft
