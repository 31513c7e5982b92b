#include "launch/command_line.h"

#include <fmt/core.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>

#include "launch/commands.h"
#include "launch/config_file.h"

namespace stagecraft {
namespace {

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
  TrainOptions train;
  bool resolved = false;
  bool launch = false;
  HostWords where;
  std::filesystem::path run;
  bool failure = false;
};

CheckOutput check_output(const Words& words) {
  return words.launch     ? CheckOutput::launch
         : words.resolved ? CheckOutput::resolved
                          : CheckOutput::plan;
}

int run_command(const CLI::App& app, const Words& words) {
  if (app.got_subcommand("train")) {
    return train(words.train);
  }
  if (app.got_subcommand("check")) {
    return check(words.train.config, check_output(words), words.where);
  }
  if (app.got_subcommand("status")) {
    return words.failure ? last_words(words.run) : run_status(words.run);
  }
  return config_reference();
}

void describe_train(CLI::App& train, Words& words) {
  add_config(train, words.train.config);
  train.add_option("--interface", words.train.interface,
                   "Network interface between the processes of run.mode = \"mpi\"; loopback if not "
                   "given");
  train.add_flag("--plain", words.train.plain, "Rewrite no line in place, as for a file");
}

void describe_check(CLI::App& check, Words& words) {
  add_config(check, words.train.config);
  CLI::Option* resolved =
      check.add_flag("--resolved", words.resolved, "Print every value with its source instead");
  check.add_flag("--launch", words.launch, "Print what launch/train needs instead")
      ->excludes(resolved);
  check.add_option("--hosts", words.where.hosts, "Hosts for mpirun, as a:4,b:4");
  check.add_option("--interface", words.where.interface, "Network interface that they share");
}

void describe(CLI::App& app, Words& words) {
  app.set_version_flag("--version", std::string("stagecraft ") + STAGECRAFT_VERSION);
  app.require_subcommand(1);
  app.footer("Exit status: 0, 1 when a run failed, 2 for input that cannot be used.");
  describe_train(*app.add_subcommand("train", "Train as the configuration says"), words);
  describe_check(*app.add_subcommand("check", "Print the plan and its verdict, train nothing"),
                 words);
  CLI::App* status =
      app.add_subcommand("status", "Print where every rank of a run is, live or dead");
  status->add_option("RUN", words.run, "The run's directory")->required();
  status->add_flag("--failure", words.failure,
                   "Wait for its last process, and print nothing for a run that ended well");
  app.add_subcommand("config-reference", "Print the reference of all keys (docs/configuration.md)");
}

// The one place where exceptions become messages.
int guarded_run(const CLI::App& app, const Words& words) {
  try {
    return run_command(app, words);
  } catch (const BadInput& error) {
    fmt::print(stderr, "{}\n", error.what());
    return kBadInput;
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return kRunFailed;
  }
}

}  // namespace

int run_command_line(int argc, char** argv, std::function<void(RunConfig&)> adjust) {
  CLI::App app("Stagecraft trains transformer language models, split over actors on stages.",
               "stagecraft");
  Words words;
  words.train.adjust = std::move(adjust);
  describe(app, words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadInput;
  }
  return guarded_run(app, words);
}

}  // namespace stagecraft
