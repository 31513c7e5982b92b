// Files of weights, written as bytes and read without the code under test.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "kernels/core/tensor.h"

namespace stagecraft::test {

/// One tensor of a safetensors file.
struct RawTensor {
  std::string name;
  std::string dtype = "F32";
  Shape shape;
  std::string data;
};

/// The bytes of a safetensors file with these tensors in this order.
std::string safetensors_of(const std::vector<RawTensor>& tensors);

/// The bytes of these numbers.
std::string bytes_of(const std::vector<float>& values);

/// The float32 tensors of a safetensors file by name.
std::map<std::string, std::vector<float>> floats_of(const std::filesystem::path& file);

}  // namespace stagecraft::test
