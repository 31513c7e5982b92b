// The rows of RUN/state_hashes.jsonl: the hashes of every tensor's state, one line per step that is
// hashed. See docs/file_formats/state_hashes.md.
#pragma once

#include <string>
#include <vector>

#include "actors/protocol/run_report.h"

namespace stagecraft {

/// The JSON object of one step, without a newline. `parameters` are the names in model order.
std::string state_hashes_line(const StateHashReport& report,
                              const std::vector<std::string>& parameters);

}  // namespace stagecraft
