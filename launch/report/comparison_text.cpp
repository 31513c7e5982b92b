#include "launch/report/comparison_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>
#include <string_view>

namespace stagecraft {
namespace {

using Paths = std::array<std::filesystem::path, 2>;

std::string counted(std::size_t count, std::string_view one) {
  return fmt::format("{} {}{}", count, one, count == 1 ? "" : "s");
}

/// "transformer block 3" of "h.3.mlp.c_fc.weight"; "" for a tensor of no block.
std::string block_of(std::string_view tensor) {
  constexpr std::string_view kPrefix = "h.";
  if (!tensor.starts_with(kPrefix)) {
    return "";
  }
  tensor.remove_prefix(kPrefix.size());
  return fmt::format(" of transformer block {}", tensor.substr(0, tensor.find('.')));
}

std::string equal_text(const RunComparison& comparison) {
  return fmt::format(
      "The runs are equal as far as both go, to step {}: {} with hashes, {} of both.\n",
      comparison.last_step, counted(comparison.hashed.size(), "step"),
      counted(comparison.checkpoints.size(), "checkpoint"));
}

std::string value_text(const ValueDifference& value, const Paths& runs) {
  return fmt::format("Step {} is the first whose metrics differ: {} is {} in {} and {} in {}.\n",
                     value.step, value.key, value.values[0], runs[0].string(), value.values[1],
                     runs[1].string());
}

std::string tensor_text(const TensorDifference& tensor) {
  return fmt::format(
      "Step {} is the first whose hashes of tensors differ, in {} of {}; the first is {}, {}{}.\n",
      tensor.step, tensor.differ, tensor.tensors, tensor.name, to_string(tensor.kind),
      block_of(tensor.name));
}

std::string element_text(const ElementDifference& element, const Paths& runs) {
  const auto shown = [&](std::size_t run) {
    return fmt::format("{:.9g} (0x{:08x}) in {}", element.values.at(run),
                       std::bit_cast<std::uint32_t>(element.values.at(run)), runs.at(run).string());
  };
  return fmt::format("Its first element that differs is [{}]: {} and {}.\n",
                     fmt::join(element.index, ", "), shown(0), shown(1));
}

/// Which key would name what is not named.
std::string advice(const RunComparison& comparison) {
  if (!comparison.tensor) {
    return "To name the tensor, run both with metrics.state_hash_every = 1.\n";
  }
  const std::int64_t step = comparison.tensor->step;
  std::string text;
  if (comparison.value && comparison.value->step < step) {
    text += fmt::format(
        "Hashes of step {} would be closer to the cause: run both with "
        "metrics.state_hash_every = 1.\n",
        comparison.value->step);
  }
  if (!comparison.element) {
    text += fmt::format(
        "To name the element, both need a checkpoint of step {}: run both with "
        "checkpoint.every = {} and checkpoint.keep_every = {}.\n",
        step, step, step);
  }
  return text;
}

}  // namespace

std::string comparison_text(const RunComparison& comparison, const Paths& runs) {
  if (comparison.equal()) {
    return equal_text(comparison);
  }
  std::string text;
  if (comparison.value) {
    text += value_text(*comparison.value, runs);
  }
  if (comparison.tensor) {
    text += tensor_text(*comparison.tensor);
  }
  if (comparison.element) {
    text += element_text(*comparison.element, runs);
  }
  return text + advice(comparison);
}

}  // namespace stagecraft
