#include "tests/models/checkpoint/stored_weights.h"

#include <cstring>
#include <nlohmann/json.hpp>

#include "kernels/base/file.h"

namespace stagecraft::test {

std::string safetensors_of(const std::vector<RawTensor>& tensors) {
  nlohmann::json header = nlohmann::json::object();
  std::string data;
  for (const RawTensor& tensor : tensors) {
    header[tensor.name] = {
        {"dtype", tensor.dtype},
        {"shape", std::vector<std::int64_t>(tensor.shape.begin(), tensor.shape.end())},
        {"data_offsets", {data.size(), data.size() + tensor.data.size()}}};
    data += tensor.data;
  }
  const std::string json = header.dump();
  const std::uint64_t length = json.size();
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + json + data;
}

std::string bytes_of(const std::vector<float>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

std::map<std::string, std::vector<float>> floats_of(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  const std::string data = bytes.substr(sizeof(length) + length);
  std::map<std::string, std::vector<float>> tensors;
  const auto header = nlohmann::json::parse(bytes.substr(sizeof(length), length));
  for (const auto& [name, value] : header.items()) {
    if (name != "__metadata__") {
      const auto begin = value.at("data_offsets").at(0).get<std::size_t>();
      const auto end = value.at("data_offsets").at(1).get<std::size_t>();
      tensors[name].resize((end - begin) / sizeof(float));
      std::memcpy(tensors[name].data(), data.data() + begin, end - begin);
    }
  }
  return tensors;
}

}  // namespace stagecraft::test
