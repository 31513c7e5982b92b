#include "launch/commands/explain_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "kernels/base/file.h"
#include "kernels/base/text_table.h"
#include "launch/artifacts/output.h"
#include "launch/artifacts/run_directory.h"
#include "launch/config/config_file.h"
#include "launch/format/units.h"
#include "launch/report/join_trace.h"
#include "launch/report/schedule_svg.h"

namespace stagecraft {
namespace {

using Json = nlohmann::json;

constexpr double kWorthTelling = 1e-3;  // smallest share of a step that is printed

std::string ms_text(double ms) { return fmt::format("{:.{}f}", ms, ms < 9.995 ? 3 : 1); }
std::string share_text(double share) { return fmt::format("{:+.1f} %", 100 * share); }

std::string steps_text(const Json& steps) {
  const auto first = steps.front().get<std::int64_t>();
  const auto last = steps.back().get<std::int64_t>();
  return first == last ? fmt::format("step {}", first) : fmt::format("steps {}-{}", first, last);
}

int ranks_per_stage(const Json& summary) {
  return summary.at("tensor").get<int>() * summary.at("data").get<int>();
}

const Json& rank_entry(const Json& summary, int rank) {
  for (const Json& entry : summary.at("ranks")) {
    if (entry.at("rank") == rank) {
      return entry;
    }
  }
  throw Error("ranks", fmt::format("there is no rank {}", rank));
}

/// "stage 1", or with several ranks per stage "stage 1 (rank 5)".
std::string who(const Json& summary, int rank) {
  const int stage = rank_entry(summary, rank).at("stage");
  return ranks_per_stage(summary) > 1 ? fmt::format("stage {} (rank {})", stage, rank)
                                      : fmt::format("stage {}", stage);
}

/// What the summary does not show.
std::string lacks(const Json& summary) {
  std::string text;
  const std::size_t ranks = summary.at("ranks").size();
  const auto all = summary.at("pipeline").get<std::size_t>() *
                   static_cast<std::size_t>(ranks_per_stage(summary));
  if (ranks < all) {
    text += fmt::format(
        "Ranks     {} of {}, one of each stage; a wait for others in a collective counts as "
        "communication (trace.ranks = \"all\" traces all)\n",
        ranks, all);
  }
  for (const Json& gap : summary.at("lacks")) {
    text += fmt::format("Trace     {}\n",
                        gap_text({gap.at("rank"), gap.at("from_step"), gap.at("why")}));
  }
  return text;
}

std::string head(const Json& summary) {
  const Json& step = summary.at("step");
  std::string text = fmt::format(
      "{}, pipeline {} x tensor {} x data {}, {} micro-batches; {} of the run\n"
      "Step      {} ms, idle {} of it",
      summary.at("schedule").get<std::string>(), summary.at("pipeline").get<int>(),
      summary.at("tensor").get<int>(), summary.at("data").get<int>(),
      summary.at("microbatches").get<int>(), steps_text(summary.at("steps")),
      ms_text(step.at("measured")), percent_text(step.at("measured_bubble")));
  if (step.contains("predicted")) {
    const Json& calibrated = summary.at("calibrated_on");
    text += fmt::format("\nPredicted {} ms ({}), idle {} of it, from costs {}",
                        ms_text(step.at("predicted")), share_text(step.at("error")),
                        percent_text(step.at("predicted_bubble")),
                        calibrated.empty() ? "as given" : "measured in " + steps_text(calibrated));
  }
  return text + "\n" + lacks(summary);
}

std::string times(const Json& summary) {
  const bool predicted = summary.at("step").contains("predicted");
  TextTable table({"rank", "stage", "compute", "communication", "idle", "predicted: compute",
                   "communication", "idle"});
  const auto cell = [](const Json& side, const char* what) { return ms_text(side.at(what)); };
  for (const Json& rank : summary.at("ranks")) {
    std::vector<std::string> row = {fmt::format("{}", rank.at("rank").get<int>()),
                                    fmt::format("{}", rank.at("stage").get<int>())};
    for (const char* side : {"measured", "predicted"}) {
      for (const char* what : {"compute", "communication", "idle"}) {
        row.push_back(side[0] == 'm' || predicted ? cell(rank.at(side), what) : "-");
      }
    }
    table.add(std::move(row));
  }
  return "\nTime per step and rank (ms, mean; communication: not overlapped with compute)\n" +
         table.text();
}

/// `whom`: the rank that was waited for; "": none.
std::string cause_text(const Json& entry, const std::string& whom) {
  const std::string cause = entry.at("cause");
  const std::string op = entry.value("op", "");
  return cause == "instruction"  ? fmt::format("{} on {}", op, whom)
         : cause == "credit"     ? fmt::format("a free slot at {}", whom)
         : cause == "collective" ? fmt::format("{} to reach a collective of {}", whom, op)
         : cause == "optimizer" ? fmt::format("{}, last to reach the optimizer, after {}", whom, op)
         : cause == "driver"    ? "a message of the driver"
         : cause == "overhead"  ? "the next instruction, which was ready"
                                : fmt::format("the end of the step on {}", whom);
}

std::string measured_cause(const Json& summary, const Json& entry) {
  return cause_text(entry, entry.contains("rank") ? who(summary, entry.at("rank")) : "");
}

/// A prediction has its ranks numbered as stages.
std::string predicted_cause(const Json& entry) {
  return cause_text(
      entry, entry.contains("rank") ? fmt::format("stage {}", entry.at("rank").get<int>()) : "");
}

double predicted_ms(const Json& rank, const Json& cause, const Json& summary) {
  double sum = 0;
  if (!rank.contains("predicted")) {
    return sum;
  }
  for (const Json& entry : rank.at("predicted").at("idle_by_cause")) {
    const bool same_stage = entry.contains("rank") == cause.contains("rank") &&
                            (!entry.contains("rank") ||
                             entry.at("rank") == rank_entry(summary, cause.at("rank")).at("stage"));
    if (entry.at("cause") == cause.at("cause") && same_stage &&
        entry.value("op", "") == cause.value("op", "")) {
      sum += entry.at("ms").get<double>();
    }
  }
  return sum;
}

std::string faults(const Json& summary) {
  TextTable table({"rank", "stage", "ms", "of the step", "predicted", "waited for"});
  const double step = summary.at("step").at("measured");
  for (const Json& rank : summary.at("ranks")) {
    std::vector<Json> causes = rank.at("measured").at("idle_by_cause");
    std::stable_sort(causes.begin(), causes.end(), [](const Json& a, const Json& b) {
      return a.at("ms").get<double>() > b.at("ms").get<double>();
    });
    for (const Json& cause : causes) {
      const double ms = cause.at("ms");
      if (ms >= kWorthTelling * step) {
        table.add({fmt::format("{}", rank.at("rank").get<int>()),
                   fmt::format("{}", rank.at("stage").get<int>()), ms_text(ms),
                   percent_text(ms / step), ms_text(predicted_ms(rank, cause, summary)),
                   measured_cause(summary, cause)});
      }
    }
  }
  return "\nCauses of idle time (at least 0.1 % of the step)\n" + table.text();
}

std::string kinds(const Json& summary) {
  TextTable table({"instruction", "chunk", "measured", "predicted", "error"});
  for (const Json& kind : summary.at("kinds")) {
    const bool predicted = kind.contains("predicted");
    table.add({kind.at("op"), fmt::format("{}", kind.at("chunk").get<int>()),
               ms_text(kind.at("measured")), predicted ? ms_text(kind.at("predicted")) : "-",
               predicted ? share_text(kind.at("error")) : "-"});
  }
  return "\nDuration of instructions (ms, mean)\n" + table.text();
}

std::string path_entry(const Json& summary, const Json& entry) {
  const std::string kind = entry.at("kind");
  return kind == "instruction" ? fmt::format("{} on {}", entry.at("op").get<std::string>(),
                                             who(summary, entry.at("rank").get<int>()))
         : kind == "transfer"  ? fmt::format("transfers to {}", who(summary, entry.at("rank")))
         : kind == "driver"
             ? fmt::format("a message of the driver to {}", who(summary, entry.at("rank")))
             : fmt::format("between instructions on {}", who(summary, entry.at("rank")));
}

std::string path(const Json& summary) {
  std::vector<Json> pieces = summary.at("critical_path").at("measured");
  std::stable_sort(pieces.begin(), pieces.end(), [](const Json& a, const Json& b) {
    return a.at("ms").get<double>() > b.at("ms").get<double>();
  });
  TextTable table({"ms", "of the step", "what"});
  const double step = summary.at("step").at("measured");
  for (const Json& piece : pieces) {
    const double ms = piece.at("ms");
    if (ms >= kWorthTelling * step) {
      table.add({ms_text(ms), percent_text(ms / step), path_entry(summary, piece)});
    }
  }
  return "\nCritical path of the step (at least 0.1 % of the step)\n" + table.text();
}

Instruction instruction_of(const Json& text) { return parse_instruction(text.get<std::string>()); }

using CauseText = std::function<std::string(const Json& gap)>;

SvgRow row_of(const Json& step, std::size_t rank, std::string label, const CauseText& cause) {
  SvgRow row{
      .label = std::move(label), .actions = {}, .gaps = {}, .end = step.at("duration"), .note = ""};
  const Json& line = step.at("ranks").at(rank);
  double idle = 0;
  for (const Json& action : line.at("actions")) {
    const Instruction i = instruction_of(action.at(0));
    if (!is_transfer(i.op)) {
      row.actions.push_back({i, action.at(1), action.at(1), action.at(2)});
    }
  }
  for (const Json& gap : line.at("gaps")) {
    Json entry = gap;
    const std::string awaited = gap.value("awaited", "");
    entry["op"] = awaited;
    row.gaps.push_back({gap.at("begin"), gap.at("end"), awaited, "waits for " + cause(entry)});
    idle += row.gaps.back().end - row.gaps.back().begin;
  }
  row.note = fmt::format("idle {}", percent_text(row.end > 0 ? idle / row.end : 0));
  return row;
}

/// The shortest mean duration of a compute kind: numbers then fit into most instructions.
double shortest_kind(const Json& summary) {
  double shortest = summary.at("step").at("measured");
  for (const Json& kind : summary.at("kinds")) {
    const std::optional<Op> op = op_of(kind.at("op").get<std::string>());
    if (op && is_compute(*op)) {
      shortest = std::min(shortest, kind.at("measured").get<double>());
    }
  }
  return shortest;
}

std::string svg_text(const Json& summary) {
  const Json& typical = summary.at("typical");
  SvgDiagram picture{fmt::format("{}: step {}, {} ms", summary.at("schedule").get<std::string>(),
                                 summary.at("typical_step").get<int>(),
                                 ms_text(typical.at("measured").at("duration"))),
                     "",
                     summary.at("stage_of_chunk"),
                     {},
                     shortest_kind(summary)};
  const CauseText measured = [&](const Json& gap) { return measured_cause(summary, gap); };
  for (std::size_t row = 0; row < summary.at("ranks").size(); ++row) {
    const Json& rank = summary.at("ranks").at(row);
    const std::string name = who(summary, rank.at("rank"));
    if (typical.contains("predicted")) {
      picture.rows.push_back(
          row_of(typical.at("predicted"), rank.at("stage"), name + " predicted", predicted_cause));
    }
    picture.rows.push_back(row_of(typical.at("measured"), row, name + " measured", measured));
  }
  return svg(picture);
}

Json read_summary(const std::filesystem::path& run) {
  const std::filesystem::path file = trace_summary_file(run);
  if (!std::filesystem::exists(file)) {
    join_run(run);
  }
  return Json::parse(read_file(file));
}

struct Explanation {
  std::string report;
  std::string svg;  // where one was asked for
};

Explanation explanation_of(const ExplainOptions& options) {
  try {
    const Json summary = read_summary(options.run);
    return {head(summary) + times(summary) + faults(summary) + kinds(summary) + path(summary),
            options.svg.empty() ? "" : svg_text(summary)};
  } catch (const Json::exception& error) {
    throw BadInput(fmt::format("{} is not a trace summary: {}",
                               trace_summary_file(options.run).string(), error.what()));
  } catch (const Error& error) {
    throw BadInput(error.what());
  }
}

}  // namespace

int explain(const ExplainOptions& options) {
  check_output_option("--svg", options.svg);
  const Explanation texts = explanation_of(options);
  if (!options.svg.empty()) {
    write_output(options.svg, texts.svg);
  }
  if (options.svg != kStandardOutput) {
    print_output(texts.report);
  }
  return 0;
}

}  // namespace stagecraft
