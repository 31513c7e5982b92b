#include "launch/commands/schedule_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "kernels/base/text_table.h"
#include "launch/artifacts/output.h"
#include "launch/artifacts/trace_file.h"
#include "launch/config/cost_option.h"
#include "launch/config/memory_option.h"
#include "launch/config/schedule_file.h"
#include "launch/config/toml_reader.h"
#include "launch/format/terminal_width.h"
#include "launch/format/units.h"
#include "launch/report/schedule_svg.h"
#include "launch/report/schedule_trace.h"
#include "launch/setup/resolve.h"
#include "stages/plan/auto_schedule.h"
#include "stages/predict/csv_writer.h"
#include "stages/predict/text_diagram.h"
#include "stages/program/program_text.h"
#include "stages/schedules/lower_program.h"
#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedule_shape.h"
#include "stages/schedules/schedules.h"
#include "stages/schedules/transfer_pass.h"
#include "stages/verify/instruction_site.h"
#include "stages/verify/verify.h"

namespace stagecraft {
namespace {

/// A program, its name, and the formatter of instruction sites for its verdict.
struct Named {
  std::string name;
  Program program;
  SiteFormatter format_site = site_text;
};

/// The reductions that occur in the program. The verifier checks that they are complete.
ReductionShape reductions_in(const Program& program) {
  ReductionShape shape;
  for (const StageProgram& order : program.stages) {
    for (const TransferGroup& group : order) {
      const Op op = group.front().op;
      shape.tied = shape.tied || op == Op::reduce_tied || op == Op::reduce_tied_data;
      shape.data = shape.data || op == Op::reduce_data || op == Op::reduce_tied_data;
    }
  }
  return shape;
}

Named from_file(const std::filesystem::path& file) try {
  const WrittenProgram written = read_schedule_file(file);
  const Program& program = written.program;
  return {.name = file.filename().string(),
          .program = is_whole(program) ? program : lower_program(program, reductions_in(program)),
          .format_site = locations_in(file, written)};
} catch (const Error& unreadable) {
  throw BadInput(fmt::format("{}; name a program as text or CSV", unreadable.what()));
}

Named from_config(const ConfigOptions& options) {
  const ConfigFile config = read_config(options.file, options.overrides);
  TrainingPlan plan = resolve(config, 1).plan;
  return {plan.parallel.schedule, std::move(plan.program)};
}

CostTable costs_of(const ScheduleOptions& options, int chunks) {
  try {
    return parse_cost_option(options.costs, chunks);
  } catch (const Error& error) {
    throw BadInput(fmt::format("--cost {}: {}", options.costs, error.text()));
  }
}

Limits limits_of(const ScheduleOptions& options, int chunks, int stages) {
  try {
    return parse_memory_option(options.bytes, chunks, stages);
  } catch (const Error& error) {
    throw BadInput(fmt::format("--bytes {}: {}", options.bytes, error.text()));
  }
}

Program searched(const ScheduleOptions& options, const ScheduleShape& shape) {
  const AutoProblem problem{.shape = shape,
                            .costs = costs_of(options, shape.stages * shape.chunks),
                            .limits = [&](const std::vector<int>& stage_of_chunk) {
                              return limits_of(options, static_cast<int>(stage_of_chunk.size()),
                                               shape.stages);
                            }};
  return find_schedule(problem).compute;
}

Named from_name(const ScheduleOptions& options) {
  const ScheduleShape shape{
      .stages = options.stages, .microbatches = options.microbatches, .chunks = options.chunks};
  try {
    const Program compute = options.name == kAutoSchedule ? searched(options, shape)
                                                          : build_schedule(options.name, shape);
    return {options.name, with_reductions(with_transfers(compute), {})};
  } catch (const Error& error) {
    throw BadInput(std::string(error.text()));
  }
}

Named program_of(const ScheduleOptions& options) {
  if (!options.config.file.empty()) {
    return from_config(options.config);
  }
  return options.program.empty() ? from_name(options) : from_file(options.program);
}

nlohmann::json head_json(const Named& named) {
  return {{"schedule", named.name},
          {"stages", named.program.stages.size()},
          {"chunks", named.program.chunks},
          {"microbatches", named.program.microbatches}};
}

nlohmann::json timeline_json(const Named& named, const Timeline& timeline, const Verdict& verdict) {
  nlohmann::json json = head_json(named);
  json["proven"] = true;
  json["makespan"] = timeline.makespan;
  json["bubble"] = timeline.bubble;
  for (std::size_t stage = 0; stage < timeline.stages.size(); ++stage) {
    const StageTimeline& line = timeline.stages[stage];
    json["per_stage"].push_back({{"busy", line.busy},
                                 {"idle", line.idle},
                                 {"peak_activations", line.peak_activations},
                                 {"peak_weight_stashes", line.peak_weight_stashes},
                                 {"peak_bytes", verdict.peaks[stage].bytes}});
  }
  return json;
}

std::string json_text(const nlohmann::json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string title(const Named& named, const Timeline& timeline) {
  return fmt::format("{}: {} stages, {} micro-batches, {} chunks; makespan {:.6g}, idle {}",
                     named.name, named.program.stages.size(), named.program.microbatches,
                     named.program.chunks, timeline.makespan, percent_text(timeline.bubble));
}

/// With a column of bytes if sizes were given.
std::string table(const Timeline& timeline, const Verdict& verdict, bool bytes) {
  std::vector<std::string> head = {"stage", "busy", "idle", "activations", "for W", "idle share"};
  if (bytes) {
    head.emplace_back("bytes");
  }
  TextTable table(head);
  for (std::size_t stage = 0; stage < timeline.stages.size(); ++stage) {
    const StageTimeline& line = timeline.stages[stage];
    std::vector<std::string> row = {
        fmt::format("{}", stage),
        fmt::format("{:.6g}", line.busy),
        fmt::format("{:.6g}", line.idle),
        fmt::format("{}", line.peak_activations),
        fmt::format("{}", line.peak_weight_stashes),
        percent_text(timeline.makespan > 0 ? line.idle / timeline.makespan : 0)};
    if (bytes) {
      row.push_back(fmt::format("{}", verdict.peaks[stage].bytes));
    }
    table.add(row);
  }
  return "\nTime and peak memory per stage (activations: of one chunk and micro-batch; for W: kept "
         "for W only)\n" +
         table.text();
}

std::string report(const Named& named, const Timeline& timeline, const Verdict& verdict,
                   bool bytes) {
  const bool terminal = ::isatty(STDOUT_FILENO) == 1;
  constexpr int kUncut = 1'000'000;
  const TextDiagramStyle style{.columns = terminal ? terminal_width() : kUncut, .colour = terminal};
  return title(named, timeline) + "\n\n" + draw(named.program, timeline, style) +
         table(timeline, verdict, bytes) +
         "Verdict   proven: every execution of this program ends\n";
}

void check_output_options(const ScheduleOptions& options) {
  check_output_option("--svg", options.svg);
  check_output_option("--trace", options.trace);
  check_output_option("--text", options.text);
  check_output_option("--csv", options.csv);
  check_output_option("--csv-comms", options.csv_comms);
}

void write_files(const ScheduleOptions& options, const Named& named, const Timeline& timeline,
                 const Verdict& verdict) {
  if (!options.svg.empty()) {
    write_output(options.svg,
                 schedule_svg(named.program, timeline, title(named, timeline), verdict.peaks));
  }
  if (!options.trace.empty()) {
    const MeshShape mesh{.pipeline = static_cast<int>(named.program.stages.size())};
    write_output(
        options.trace,
        trace_json({}, predicted_spans(named.program, timeline, mesh, all_ranks(mesh), {{}}), 0,
                   0));
  }
  if (!options.text.empty()) {
    write_output(options.text, to_string(named.program));
  }
  if (!options.csv.empty()) {
    write_output(options.csv, to_csv(compute_of(named.program)));
  }
  if (!options.csv_comms.empty()) {
    write_output(options.csv_comms, to_csv(named.program));
  }
}

/// Standard output holds a file then, and no report.
bool writes_to_standard_output(const ScheduleOptions& options) {
  const auto paths = {options.svg, options.trace, options.text, options.csv, options.csv_comms};
  return std::find(paths.begin(), paths.end(), kStandardOutput) != paths.end();
}

int refused(const ScheduleOptions& options, const Named& named, const Verdict& verdict) {
  if (options.json) {
    nlohmann::json json = head_json(named);
    json["proven"] = false;
    json["counter_example"] = verdict.counter_example;
    json["steps"] = nlohmann::json::array();
    for (const InstructionSite& step : verdict.sites) {
      json["steps"].push_back({{"stage", step.stage},
                               {"position", step.position},
                               {"instruction", to_string(step.instruction)},
                               {"where", named.format_site(step)}});
    }
    print_output(json_text(json));
  } else {
    print_output(
        fmt::format("{}\nVerdict   not proven: {}\n", named.name, verdict.counter_example));
  }
  return 1;
}

}  // namespace

int schedule(const ScheduleOptions& options) {
  check_output_options(options);
  const Named named = program_of(options);
  const Limits limits =
      limits_of(options, named.program.chunks, static_cast<int>(named.program.stages.size()));
  const Verdict verdict =
      verify(named.program, reductions_in(named.program), limits, named.format_site);
  if (!verdict.proven) {
    return refused(options, named, verdict);
  }
  const CostTable costs = costs_of(options, named.program.chunks);
  const Timeline timeline = simulate(named.program, costs);
  if (timeline.makespan <= 0) {
    throw BadInput("--cost: the program takes no time; give some compute a cost above 0");
  }
  write_files(options, named, timeline, verdict);
  if (!writes_to_standard_output(options)) {
    print_output(options.json ? json_text(timeline_json(named, timeline, verdict))
                              : report(named, timeline, verdict, !options.bytes.empty()));
  }
  return 0;
}

}  // namespace stagecraft
