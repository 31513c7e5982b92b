#include "launch/report/checkpoint_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "kernels/base/text_table.h"
#include "launch/format/units.h"

namespace stagecraft {
namespace {

std::string line(std::string_view name, const std::string& value) {
  return fmt::format("{:<12}{}\n", name, value);
}

std::string state_lines(const CheckpointManifest& manifest) {
  std::int64_t bytes = 0;
  for (const CheckpointFile& file : manifest.files) {
    bytes += file.bytes;
  }
  std::int64_t parameters = 0;
  for (const CheckpointTensor& tensor : manifest.tensors) {
    parameters += elements_of(tensor.shape);
  }
  return line("Step", fmt::format("{}, {} samples consumed", manifest.step,
                                  with_separators(manifest.samples))) +
         line("Size", fmt::format("{} in {} file{}, {} tensors, {} parameters", bytes_text(bytes),
                                  manifest.files.size(), manifest.files.size() == 1 ? "" : "s",
                                  manifest.tensors.size(), count_text(parameters))) +
         line("State hash", hash_text(manifest.state_hash()));
}

std::string loss_lines(const CheckpointManifest& manifest) {
  std::string text = line("Loss", fmt::format("{:.4f} of this step", manifest.loss));
  if (manifest.validation_loss) {
    text += line("Validation", fmt::format("{:.4f} after step {}", *manifest.validation_loss,
                                           manifest.validation_step));
  }
  return text + (manifest.evaluation_due
                     ? line("", "the evaluation behind this step is still to be done")
                     : "");
}

std::string bits_lines(const CheckpointManifest& manifest) {
  std::string text;
  for (const DifferentBits& bits : manifest.different_bits) {
    text += line("Bits", fmt::format("from step {} on they may differ from those of a run without "
                                     "stops: {}",
                                     bits.step, bits.reason));
  }
  return text;
}

std::string settings_text(const CheckpointManifest& manifest) {
  std::string text = "\nSettings\n";
  for (const std::string_view section : {"model.", "train.", "data.", "parallel."}) {
    for (const auto& [key, value] : manifest.settings) {
      text += key.starts_with(section) ? fmt::format("  {} = {}\n", key, value) : "";
    }
  }
  return text;
}

}  // namespace

std::string checkpoint_text(const CheckpointManifest& manifest,
                            const std::filesystem::path& folder) {
  std::string text = line("Checkpoint", folder.string()) + state_lines(manifest) +
                     loss_lines(manifest) + bits_lines(manifest) + "\nOrigin\n";
  for (const auto& [name, value] : manifest.origin) {
    text += fmt::format("  {:<10}{}\n", name, value);
  }
  TextTable files({"file", "size"});
  for (const CheckpointFile& file : manifest.files) {
    files.add({file.name, bytes_text(file.bytes)});
  }
  return text + settings_text(manifest) + "\nFiles\n" + files.text();
}

}  // namespace stagecraft
