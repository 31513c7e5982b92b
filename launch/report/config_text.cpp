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
    return true;  // nothing was said of it
  }
  if (key.type == KeyType::choice && text != nullptr && text->empty()) {
    return true;
  }
  return key.name == "data.validation_fraction" && !settings.data.validation.empty();
}

/// A trace that lies in the run directory goes where that goes, so a resolved file may not pin it.
bool follows_directory(const ConfigKey& key, const RunSettings& settings) {
  const auto& trace = settings.session.trace_file;
  return key.name == "trace.file" && trace &&
         *trace == (std::filesystem::path(settings.session.directory) / "trace.json").string();
}

/// A place may hold whatever a file name or a word of the command line holds; a comment may not.
std::string comment_text(std::string text) {
  std::replace_if(
      text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c >= 0x7F; }, '?');
  return text;
}

std::string_view introduction(const std::string& section) {
  if (section == "run") {
    return "How the run is carried out.";
  }
  if (section == "model") {
    return "What is trained: a family with a preset, or with its sizes.";
  }
  if (section == "parallel") {
    return "How the work is split: pipeline x tensor x data actors. The split never changes the "
           "model.";
  }
  if (section == "train") {
    return "How long, on how much at once, and by which optimizer.";
  }
  if (section == "data") {
    return "The text. Files are read as they are and joined with nothing between.";
  }
  if (section == "machine") {
    return "What `stagecraft plan` plans for; a run does not look at it.";
  }
  return section == "trace" ? "What happened when, for https://ui.perfetto.dev."
                            : "What computes, with how many threads.";
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

This page is what `stagecraft config-reference` prints; a test keeps the two equal.

A configuration is a TOML file. Unknown keys, wrong types and values out of range are errors that
begin `FILE:LINE:COLUMN: ` and say what to do. An integer may stand where a number is wanted, not
the other way round. Relative paths, in the file and in `--set`, start from the current directory,
unless the key says otherwise.

`--set section.key=value` on the command line replaces what the file says, and the last one of a
key counts; the value is TOML, and quotes around a plain text may be left out. `stagecraft check CONFIG --resolved` prints
every value with its source, as a file that gives the same run.
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
