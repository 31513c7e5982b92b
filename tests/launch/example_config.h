// A small valid configuration for tests, and pieces to change in it.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "launch/config/toml_reader.h"

namespace stagecraft {

inline const char* const kExample = R"([model]
family = "gpt"
layers = 4
hidden = 64
heads = 4
sequence = 32

[parallel]
pipeline = 2

[train]
steps = 10
global_batch = 8
micro_batch = 2

[data]
train = ["/usr/share/common-licenses"]
)";

inline ConfigFile example(const std::vector<std::string>& overrides = {}) {
  return parse_config(kExample, "example.toml", overrides);
}

/// The message of the BadInput that `call` throws; "" when nothing is thrown.
template <typename Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const BadInput& error) {
    return error.what();
  }
  return "";
}

}  // namespace stagecraft
