// How a family's weight files name and lay out its parameters. A parameter's own name
// (ParameterSpec::name) is the program's: random numbers, checkpoints and state hashes follow from
// it, whatever the files call it.
#pragma once

#include <string>
#include <vector>

#include "models/parameters/parameter.h"

namespace stagecraft {

/// A tensor of the files, and the part of a parameter that it holds.
struct FileTensor {
  std::string name;
  std::string parameter;
  ElementRange columns = {};  // of the parameter's last dimension; empty: all
  bool transposed = false;    // the file holds [out, in] for the parameter's [in, out]
};

struct WeightNames {
  /// May stand before any name in a file, or be missing there. "" if there is none.
  std::string prefix;
  /// Together they hold every element of the parameters that they name, once. A parameter that none
  /// of them names is a tensor of its own name.
  std::vector<FileTensor> tensors;
  /// Tensors that a file may hold although it has their values elsewhere, as a tied head. Reading
  /// compares them; they are not written.
  std::vector<FileTensor> copies;
  /// Patterns of names that are no parameters, as buffers of masks. "*" stands for text without a
  /// dot.
  std::vector<std::string> ignored;
};

}  // namespace stagecraft
