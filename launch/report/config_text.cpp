#include "launch/report/config_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "launch/config/config_table.h"

namespace stagecraft {
namespace {

bool left_out(const ConfigKey& key, const ConfigValue& value, const RunSettings& settings) {
  const auto* text = std::get_if<std::string>(&value);
  if (key.section() == "machine" && key.get(RunSettings{}) == value) {
    return true;  // not given
  }
  if (key.type == KeyType::choice && text != nullptr && text->empty()) {
    return true;
  }
  return key.name == "data.validation_fraction" && !settings.data.validation.empty();
}

bool is_in(const std::string& directory, const char* name, const std::optional<std::string>& path) {
  return path && *path == (std::filesystem::path(directory) / name).string();
}

/// The default trace file and checkpoints are in the run directory. A resolved file must not fix
/// their paths, so that another run directory gets its own.
bool follows_directory(const ConfigKey& key, const RunSettings& settings) {
  const std::string& directory = settings.session.directory;
  return (key.name == "trace.file" &&
          is_in(directory, "trace.json", settings.session.trace_file)) ||
         (key.name == "checkpoint.directory" &&
          is_in(directory, "checkpoints", settings.checkpoint.directory));
}

/// Replaces characters that a TOML comment may not contain. A source quotes file names and
/// arguments of the command line, which may contain any.
std::string comment_text(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, '?');
  return text;
}

std::string_view introduction(const std::string& section) {
  if (section == "run") {
    return "How the run is executed.";
  }
  if (section == "model") {
    return "The model: a family, with a preset or with sizes.";
  }
  if (section == "parallel") {
    return "The split over pipeline x tensor x data actors. It never changes the model.";
  }
  if (section == "train") {
    return "Number of steps, batch sizes and optimizer.";
  }
  if (section == "data") {
    return "The text. Files are read unchanged and joined without a separator.";
  }
  if (section == "machine") {
    return "The machine for `stagecraft plan`; a run ignores this section.";
  }
  if (section == "checkpoint") {
    return "Checkpoints, from which a run goes on (docs/checkpoints.md).";
  }
  if (section == "metrics") {
    return "What the metrics say besides losses and times.";
  }
  return section == "trace" ? "The trace of the run, for https://ui.perfetto.dev."
                            : "The devices of the actors.";
}

std::string default_text(const ConfigKey& key) {
  if (key.need != Need::optional) {
    return key.need == Need::always ? "required" : "required without a preset";
  }
  return key.computed.empty() ? fmt::format("`{}`", to_toml(key, key.get(RunSettings{})))
                              : key.computed;
}

std::string not_built(const ConfigKey& key) {
  std::string text;
  for (const Choice& choice : key.choices) {
    if (!choice.built) {
      text += fmt::format(" (`\"{}\"` is not built yet)", choice.name);
    }
  }
  return text;
}

constexpr std::string_view kPageHead =
    R"(# Configuration

This page is the output of `stagecraft config-reference`; a test keeps the two equal.

A configuration is a TOML file. Unknown keys, wrong types and values out of range are errors. Their
messages begin with `FILE:LINE:COLUMN: ` and name the remedy. Where a number is expected, an integer
is accepted too; where an integer is expected, a number with a decimal point is not. Relative paths
in the file and in `--set` are relative to the current directory, unless the key says otherwise.

`--set section.key=value` on the command line overrides the value of the file. If a key is given
several times, the last value is used. The value is TOML; the quotes around a plain string may be
omitted. `stagecraft check CONFIG --resolved` prints every value with its source, as a file that
gives the same run.
)";

}  // namespace

std::string resolved_toml(const RunSettings& settings, const Sources& sources) {
  std::string text;
  std::string section;
  for (const ConfigKey& key : config_table()) {
    const ConfigValue value = key.get(settings);
    if (left_out(key, value, settings)) {
      continue;
    }
    if (key.section() != section) {
      text += fmt::format("{}[{}]\n", section.empty() ? "" : "\n", key.section());
      section = key.section();
    }
    const auto source = sources.find(key.name);
    text += fmt::format("{}{} = {}", follows_directory(key, settings) ? "# " : "", key.leaf(),
                        to_toml(key, value));
    text += source == sources.end() ? "\n" : fmt::format("  # {}\n", comment_text(source->second));
  }
  return text;
}

std::string configuration_page() {
  std::string page(kPageHead);
  std::string section;
  for (const ConfigKey& key : config_table()) {
    if (key.section() != section) {
      section = key.section();
      page +=
          fmt::format("\n## [{}]\n\n{}\n\n| key | value | default | meaning |\n|---|---|---|---|\n",
                      section, introduction(section));
    }
    page += fmt::format("| `{}` | {}{} | {} | {} |\n", key.leaf(), describe_type(key),
                        not_built(key), default_text(key), key.help);
  }
  return page;
}

}  // namespace stagecraft
