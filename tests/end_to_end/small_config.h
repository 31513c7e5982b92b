// A configuration that trains quickly and can be split in up to four along every mesh axis.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/end_to_end/small_run.h"

namespace stagecraft::test {

/// Writes run.toml, with `steps` steps, and its text into `folder`.
inline void write_small_run(const std::filesystem::path& folder, std::int64_t steps) {
  const auto text = made_up_text(4000);
  std::ofstream(folder / "text.txt") << std::string(text.begin(), text.end());
  std::ofstream(folder / "run.toml") << fmt::format(R"([model]
family = "gpt"
layers = 4
hidden = 32
heads = 4
sequence = 16
dropout = 0.1
[train]
steps = {}
global_batch = 8
micro_batch = 1
[data]
train = ["text.txt"]
validation_fraction = 0.25
)",
                                                    steps);
}

}  // namespace stagecraft::test
