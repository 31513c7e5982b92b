// The stagecraft executable: words to commands, exceptions to messages and exit statuses.
#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "launch/commands.h"
#include "launch/config_file.h"

namespace {

using stagecraft::ConfigOptions;

constexpr int kRunFailed = 1;
constexpr int kBadInput = 2;

void add_config(CLI::App& command, ConfigOptions& options) {
  command.add_option("CONFIG", options.file, "TOML file; docs/configuration.md lists its keys")
      ->required();
  command
      .add_option("--set", options.overrides, "section.key=value, in place of what the file says")
      ->take_all()
      ->allow_extra_args(false);
}

struct Words {
  ConfigOptions config;
  bool resolved = false;
};

int run_command(const CLI::App& app, const Words& words) {
  if (app.got_subcommand("train")) {
    return stagecraft::train(words.config);
  }
  if (app.got_subcommand("check")) {
    return stagecraft::check(words.config, words.resolved);
  }
  return stagecraft::config_reference();
}

void describe(CLI::App& app, Words& words) {
  app.set_version_flag("--version", std::string("stagecraft ") + STAGECRAFT_VERSION);
  app.require_subcommand(1);
  app.footer("Exit status: 0, 1 when a run failed, 2 for input that cannot be used.");
  add_config(*app.add_subcommand("train", "Train as the configuration says"), words.config);
  CLI::App* check = app.add_subcommand("check", "Print the plan and its verdict, train nothing");
  add_config(*check, words.config);
  check->add_flag("--resolved", words.resolved, "Print every value with its source instead");
  app.add_subcommand("config-reference", "Print the reference of all keys (docs/configuration.md)");
}

// The one place where exceptions become messages.
int guarded_run(const CLI::App& app, const Words& words) {
  try {
    return run_command(app, words);
  } catch (const stagecraft::BadInput& error) {
    fmt::print(stderr, "{}\n", error.what());
    return kBadInput;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return kRunFailed;
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Stagecraft trains transformer language models, split over actors on stages.",
               "stagecraft");
  Words words;
  describe(app, words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadInput;
  }
  return guarded_run(app, words);
}
