#include "launch/commands/command_line.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cstdio>
#include <exception>
#include <iostream>
#include <sstream>

#include "launch/artifacts/output.h"
#include "launch/commands/check_command.h"
#include "launch/commands/checkpoint_command.h"
#include "launch/commands/compare_command.h"
#include "launch/commands/config_reference_command.h"
#include "launch/commands/doctor.h"
#include "launch/commands/explain_command.h"
#include "launch/commands/plan_command.h"
#include "launch/commands/schedule_command.h"
#include "launch/commands/shield_command.h"
#include "launch/commands/status_command.h"
#include "launch/commands/train_command.h"
#include "launch/config/config_file.h"
#include "launch/format/print.h"
#include "launch/setup/standard_streams.h"
#include "stages/schedules/schedules.h"

namespace stagecraft {
namespace {

constexpr int kRunFailed = 1;
constexpr int kBadInput = 2;

CLI::Option* add_config(CLI::App& command, ConfigOptions& options) {
  CLI::Option* config =
      command.add_option("CONFIG", options.file, "TOML file; docs/configuration.md lists its keys");
  command.add_option("--set", options.overrides, "section.key=value; overrides the file")
      ->take_all()
      ->allow_extra_args(false);
  return config;
}

void add_start(CLI::App& command, StartOptions& options) {
  command
      .add_option("--resume", options.resume,
                  "Go on with the run in this directory, from its newest checkpoint")
      ->take_last();
  command
      .add_option("--allow", options.allowed,
                  "A key that may have another value than in the run that goes on, though later "
                  "bits differ then; data.train: other texts")
      ->take_all()
      ->allow_extra_args(false);
}

struct Arguments {
  TrainOptions train;
  bool resolved = false;
  bool launch = false;
  bool json = false;
  HostOptions hosts;
  std::filesystem::path run;
  bool result = false;
  ScheduleOptions schedule;
  ExplainOptions explain;
  PlanOptions plan;
  CheckpointOptions checkpoint;
  std::array<std::filesystem::path, 2> compared;
};

CheckOutput check_output(const Arguments& words) {
  return words.launch     ? CheckOutput::launch
         : words.resolved ? CheckOutput::resolved
         : words.json     ? CheckOutput::json
                          : CheckOutput::plan;
}

int run_checkpoint_command(const CLI::App& command, const CheckpointOptions& options) {
  return command.got_subcommand("inspect")  ? inspect_checkpoint(options)
         : command.got_subcommand("verify") ? verify_checkpoints(options)
                                            : export_checkpoint(options);
}

int run_command(const CLI::App& app, const Arguments& words) {
  if (app.got_subcommand("train")) {
    return train(words.train);
  }
  if (app.got_subcommand("check")) {
    return check(words.train.config, words.train.start, check_output(words), words.hosts);
  }
  if (app.got_subcommand("status")) {
    return words.result ? run_result(words.run) : run_status(words.run);
  }
  if (app.got_subcommand("explain")) {
    return explain(words.explain);
  }
  if (app.got_subcommand("plan")) {
    return plan(words.plan);
  }
  if (app.got_subcommand("schedule")) {
    return schedule(words.schedule);
  }
  if (app.got_subcommand("checkpoint")) {
    return run_checkpoint_command(*app.get_subcommand("checkpoint"), words.checkpoint);
  }
  if (app.got_subcommand("compare")) {
    return compare(words.compared[0], words.compared[1]);
  }
  if (app.got_subcommand("shield")) {
    shield(app.get_subcommand("shield")->remaining());
  }
  return app.got_subcommand("doctor") ? doctor() : config_reference();
}

void describe_train(CLI::App& train, Arguments& words) {
  add_config(train, words.train.config)->required();
  add_start(train, words.train.start);
  train.add_option("--interface", words.train.interface,
                   "Network interface for the processes of run.mode = \"mpi\"; default: loopback");
  train.add_flag("--share-gpu", words.train.share_gpu,
                 "Let processes of run.mode = \"mpi\" share a GPU; slow, for tests");
  train.add_option("--claim", words.train.claim,
                   "Take over the run directory that `check --launch --holder` claimed");
  train.add_option("--from", words.train.start.from,
                   "The checkpoint that `check --launch --holder` has chosen, or none");
  train
      .add_option("--note", words.train.notes,
                  "A line of `check --launch --holder` for the person who starts the run")
      ->take_all()
      ->allow_extra_args(false);
  train.add_flag("--plain", words.train.plain, "Print progress as lines, also on a terminal");
}

void describe_check(CLI::App& check, Arguments& words) {
  add_config(check, words.train.config)->required();
  add_start(check, words.train.start);
  CLI::Option* resolved = check.add_flag("--resolved", words.resolved,
                                         "Print every value with its source instead of the plan");
  CLI::Option* launch =
      check
          .add_flag("--launch", words.launch, "Print the input of launch/train instead of the plan")
          ->excludes(resolved);
  check.add_flag("--json", words.json, "Print the plan as JSON")
      ->excludes(resolved)
      ->excludes(launch);
  check.add_option("--hosts", words.hosts.hosts, "Hosts for mpirun, such as a:4,b:4");
  check.add_option("--interface", words.hosts.interface, "Network interface common to the hosts");
  check.add_option(
      "--holder", words.hosts.holder,
      "With --launch and run.mode = \"mpi\": claim the run directory for this process");
  check.add_flag(
      "--await-claim", words.train.start.await_claim,
      "With --launch: wait until a run directory that was claimed on another host is free");
  check.add_flag("--share-gpu", words.hosts.share_gpu, "Processes may share a GPU, for tests");
}

void describe_schedule(CLI::App& command, ScheduleOptions& options) {
  CLI::Option* config = add_config(command, options.config);
  CLI::Option* file =
      command.add_option("--verify", options.program,
                         "File with a program as text or CSV: verify, predict and draw it");
  file->excludes(config);
  constexpr int kMax = 1 << 20;
  for (CLI::Option* option :
       {command.add_option(
            "--schedule", options.name,
            fmt::format("Without CONFIG: {} or auto", fmt::join(schedule_names(), ", "))),
        command.add_option("--stages", options.stages, "Number of stages")
            ->check(CLI::Range(1, kMax)),
        command.add_option("--microbatches", options.microbatches, "Micro-batches per step")
            ->check(CLI::Range(1, kMax)),
        command.add_option("--chunks", options.chunks, "Chunks per stage")
            ->check(CLI::Range(1, kMax))}) {
    option->capture_default_str()->excludes(config)->excludes(file);
  }
  command.add_option("--cost", options.costs,
                     "Costs of instructions, such as F=1,I=1,W=1,B=2,transfer=0.1,T=0,D=0,U=0; F, "
                     "I, W and B may list one number per chunk, as F=[1,1,2]");
  command
      .add_option("--bytes", options.bytes,
                  "Memory sizes and limit: stash=100,weight_stash=60,tensor=1,stage=1000,"
                  "limit=1560; stash and weight_stash may list one number per chunk, and stage one "
                  "per stage")
      ->excludes(config);
  command.add_option("--svg", options.svg, "Write the diagram as SVG to this file");
  command.add_option("--trace", options.trace, "Write the predicted step as a trace to this file");
  command.add_option("--text", options.text, "Write the program as text to this file");
  command.add_option("--csv", options.csv,
                     "Write the compute instructions as CSV for torch.distributed.pipelining");
  command.add_option(
      "--csv-comms", options.csv_comms,
      "Write the program with its transfers, not grouped, and with waits, as CSV for "
      "torch 2.15; stagecraft may not be able to prove it");
  command.add_flag("--json", options.json, "Print numbers and verdict as JSON");
  command.footer("The file - is standard output, which then has no report.");
}

void describe_plan(CLI::App& command, PlanOptions& options) {
  add_config(command, options.config)->required();
  constexpr int kMax = 65536;
  command.add_option("--devices", options.devices, "Number of devices")
      ->required()
      ->check(CLI::Range(1, kMax));
  command.add_option("--memory", options.memory,
                     "Memory of one device, such as 80GiB; default: machine.memory_gib");
  CLI::Option* toml =
      command.add_option("--toml", options.toml, "Print the configuration lines of this split")
          ->check(CLI::Range(1, 10))
          ->capture_default_str();
  command.add_flag("--json", options.json, "Print the splits as JSON")->excludes(toml);
}

void describe_explain(CLI::App& command, ExplainOptions& options) {
  command.add_option("RUN", options.run, "Run directory")->required();
  command.add_option("--svg", options.svg,
                     "Write a diagram of a typical step, predicted and measured, as SVG to this "
                     "file; -: print it instead of the times");
}

CLI::App& add_checkpoint(CLI::App& command, const char* name, const char* text,
                         CheckpointOptions& options) {
  CLI::App& part = *command.add_subcommand(name, text);
  part.add_option("RUN", options.path,
                  "Run directory, directory of checkpoints, or one checkpoint (step-N)")
      ->required();
  part.add_option("--step", options.step, "Step of the checkpoint; default: the newest")
      ->check(CLI::PositiveNumber);
  return part;
}

void describe_checkpoint(CLI::App& command, CheckpointOptions& options) {
  command.require_subcommand(1);
  add_checkpoint(command, "inspect", "Print what a checkpoint holds, and of which run", options);
  add_checkpoint(command, "verify",
                 "Read all bytes and compare them with their checksums and hashes; exit status 1 "
                 "with file and tensor if a checkpoint is damaged",
                 options)
      .add_flag("--all", options.all, "Verify all checkpoints");
  add_checkpoint(command, "export", "Write a model folder in the hub's format", options)
      .add_option("--out", options.out, "Folder to make; default: RUN/model-step-N");
}

void describe_compare(CLI::App& command, std::array<std::filesystem::path, 2>& runs) {
  command.add_option("RUN_A", runs[0], "Run directory, or directory of checkpoints")->required();
  command.add_option("RUN_B", runs[1], "Another one")->required();
  command.footer("Exit status: 0 if the runs are equal as far as both go, 1 if they differ.");
}

void describe(CLI::App& app, Arguments& words) {
  app.set_version_flag("--version", std::string("stagecraft ") + STAGECRAFT_VERSION);
  app.require_subcommand(1);
  app.footer(
      "Exit status: 0 for success; 75 when a run was stopped before its last step, with a "
      "checkpoint; 1 when a run failed, output could not be written, a program is not proven or no "
      "split fits; 2 for bad input.");
  describe_train(*app.add_subcommand("train", "Train a model"), words);
  describe_check(*app.add_subcommand("check", "Print the plan and its verdict; train nothing"),
                 words);
  CLI::App* status =
      app.add_subcommand("status", "Print the state of every rank of a running or ended run");
  status->add_option("RUN", words.run, "Run directory")->required();
  status->add_flag(
      "--result", words.result,
      "For launch/train: wait for the last process of the run, print the status only if the run "
      "failed, and end with the run's exit status; 3 if no rank had begun");
  describe_schedule(
      *app.add_subcommand("schedule", "Verify, predict and draw a schedule; train nothing"),
      words.schedule);
  app.add_subcommand("doctor",
                     "Print the devices and libraries of this host, and how to get missing ones");
  describe_plan(*app.add_subcommand("plan", "Find the fastest splits over a machine's devices"),
                words.plan);
  describe_explain(
      *app.add_subcommand("explain",
                          "Print the times of a run's steps and the causes of idle time; joins the "
                          "traces of its ranks first if the run did not"),
      words.explain);
  describe_checkpoint(*app.add_subcommand("checkpoint", "Inspect, verify or export a checkpoint"),
                      words.checkpoint);
  describe_compare(
      *app.add_subcommand("compare",
                          "Print the first step, tensor and element in which two runs differ"),
      words.compared);
  app.add_subcommand("shield", "For launch/train: start a program that outlives SIGTERM and SIGHUP")
      ->prefix_command()
      ->group("");
  app.add_subcommand("config-reference", "Print the reference of all keys (docs/configuration.md)");
}

/// Prints what was asked for instead of a command, such as --help, or what is wrong with the
/// arguments.
int answer_of(const CLI::App& app, const CLI::ParseError& error) {
  std::ostringstream output;
  const int status = app.exit(error, output, std::cerr) == 0 ? 0 : kBadInput;
  print_output(output.str());
  return status;
}

/// Converts exceptions to messages and exit statuses.
template <typename Command>
int guarded(const Command& command) {
  try {
    return command();
  } catch (const BadInput& error) {
    print_or_drop(stderr, fmt::format("{}\n", error.what()));
    return kBadInput;
  } catch (const std::exception& error) {
    print_or_drop(stderr, fmt::format("{}\n", error.what()));
    return kRunFailed;
  }
}

}  // namespace

int run_command_line(int argc, char** argv, std::function<void(RunConfig&)> adjust) {
  secure_standard_streams();
  CLI::App app("Stagecraft trains language models split over pipeline, tensor and data ranks.",
               "stagecraft");
  Arguments words;
  words.train.adjust = std::move(adjust);
  describe(app, words);
  return guarded([&] {
    try {
      app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
      return answer_of(app, error);
    }
    return run_command(app, words);
  });
}

}  // namespace stagecraft
