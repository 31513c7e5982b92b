#include "stages/execute/span_names.h"

#include <fmt/core.h>

namespace stagecraft {

std::string span_name(const Instruction& i, bool with_chunk) {
  const std::string_view name = traits(i.op).span;
  switch (traits(i.op).scope) {
    case OpScope::stage:
    case OpScope::model_end:
      return std::string(name);
    case OpScope::chunk:
      return fmt::format("{} {}", name, i.chunk);
    case OpScope::microbatch:
      return with_chunk ? fmt::format("{} {} chunk {}", name, i.microbatch, i.chunk)
                        : fmt::format("{} {}", name, i.microbatch);
  }
  return "";
}

}  // namespace stagecraft
