#include "launch/report/run_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "kernels/base/error.h"
#include "kernels/base/text_table.h"
#include "launch/format/units.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/families/model_config.h"
#include "stages/schedules/schedules.h"

namespace stagecraft {
namespace {

/// Of the steps of this start; "" if an earlier start has done them all.
std::string rate_text(const ResolvedRun& run, const RunResult& result) {
  const std::int64_t done = result.steps - result.first_step + 1;
  if (done < 1) {
    return "";
  }
  const auto steps = static_cast<double>(done);
  const double tokens =
      steps * static_cast<double>(run.settings.batch.global_batch * run.plan.model.config.sequence);
  return fmt::format(", {}: {} tokens/s, {:.1f} GFLOP/s", seconds_text(result.seconds),
                     throughput_text(tokens / result.seconds),
                     steps * run.plan.flops_per_step / result.seconds * 1e-9);
}

std::string result_lines(const ResolvedRun& run, const RunResult& result) {
  std::string text = fmt::format("\n{} after {} of {} steps{}\n",
                                 result.stopped_early ? "Stopped on request" : "Done", result.steps,
                                 run.settings.optimizer.steps, rate_text(run, result));
  text += fmt::format("Loss of the last step {:.4f}", result.loss);
  if (result.validation_loss) {
    text += fmt::format(", validation loss {:.4f}", *result.validation_loss);
    if (result.validation_step != result.steps) {
      text += fmt::format(" after step {}", result.validation_step);
    }
  }
  return text + " (nats a token)\n";
}

/// Times are sums over the ranks of one stage; memory is the maximum.
struct StageTime {
  double compute = 0, communication = 0, idle = 0;
  std::int64_t peak_bytes = 0;
  double total() const { return std::max(compute + communication + idle, 1e-9); }
};

std::vector<StageTime> stage_times(const RunResult& result, int stages) {
  std::vector<StageTime> times(static_cast<std::size_t>(stages));
  for (const RankReport& rank : result.ranks) {
    StageTime& time = times[static_cast<std::size_t>(rank.coordinate.pipeline)];
    time.compute += rank.compute_seconds;
    time.communication += rank.communication_seconds;
    time.idle += rank.idle_seconds;
    time.peak_bytes = std::max(time.peak_bytes, rank.peak_bytes);
  }
  return times;
}

std::string time_table(const ResolvedRun& run, const RunResult& result) {
  TextTable table({"stage", "compute", "communication", "idle", "peak memory", "planned"});
  const std::vector<StageTime> times = stage_times(result, run.plan.mesh.pipeline);
  for (std::size_t stage = 0; stage < times.size(); ++stage) {
    const StageTime& time = times[stage];
    table.add({fmt::format("{}", stage), percent_text(time.compute / time.total()),
               percent_text(time.communication / time.total()),
               percent_text(time.idle / time.total()), bytes_text(time.peak_bytes),
               bytes_text(run.plan.memory[stage].total())});
  }
  return "\nTime and memory per stage\n" + table.text();
}

/// The checkpoint of the last step; empty if there is none.
std::filesystem::path last_checkpoint(const ResolvedRun& run, const RunResult& result) {
  const std::filesystem::path directory = run.settings.checkpoint.directory.value_or("");
  const std::filesystem::path folder = checkpoint_folder(directory, result.steps);
  return !directory.empty() && std::filesystem::exists(folder) ? folder : std::filesystem::path();
}

/// A run that was stopped, and can go on, has no model yet.
bool has_model(const ResolvedRun& run, const RunResult& result) {
  return !result.stopped_early || run.settings.checkpoint.directory.value_or("").empty();
}

std::string file_lines(const ResolvedRun& run, const RunResult& result,
                       const RunDirectory& directory) {
  std::string text = fmt::format("\nRun       {}\n", directory.path().string());
  if (const auto checkpoint = last_checkpoint(run, result); !checkpoint.empty()) {
    text += fmt::format("State     {}\n", checkpoint.string());
  }
  if (has_model(run, result)) {
    text += fmt::format("Model     {}\n", directory.model().string());
  }
  return text + fmt::format("Metrics   {}\n", directory.metrics().string());
}

/// Whether the run's sizes allow this split and schedule.
bool fits(const ResolvedRun& run, const ParallelConfig& parallel) {
  try {
    make_plan(run.plan.model, parallel, run.settings.batch);
    return true;
  } catch (const ConfigError&) {
    return false;
  }
}

/// Another schedule for the same number of chunks; empty if none fits.
std::string other_schedule(const ResolvedRun& run) {
  for (const std::string& name : schedule_names()) {
    ParallelConfig other = run.settings.parallel;
    other.schedule = name;
    if (name != run.settings.parallel.schedule && fits(run, other)) {
      return name;
    }
  }
  return "";
}

std::string try_next(const ResolvedRun& run, const RunResult& result, const RunDirectory& directory,
                     const std::string& config_name) {
  if (!has_model(run, result)) {
    return fmt::format("\nGo on\n  launch/train {} --resume {}\n      under any split\n",
                       config_name, directory.path().string());
  }
  const ParallelConfig& parallel = run.settings.parallel;
  const ModelConfig& model = run.plan.model.config;
  std::string text = "\nTry next\n";
  const auto suggest = [&](const std::string& change, const char* why) {
    text += fmt::format("  launch/train {} --set {}\n      {}\n", config_name, change, why);
  };
  ParallelConfig two_stages = parallel;
  two_stages.pipeline = 2;
  const std::string schedule = other_schedule(run);
  if (parallel.pipeline > 1 && !schedule.empty()) {
    suggest("parallel.schedule=" + schedule,
            "another order of the same work; the model is the same, bit for bit");
  } else if (parallel.pipeline == 1 && fits(run, two_stages)) {
    suggest("parallel.pipeline=2", "two stages; the model is the same, bit for bit");
  }
  if (parallel.tensor == 1 && model.heads % 2 == 0) {
    suggest("parallel.tensor=2", "each layer split over two actors");
  }
  suggest(fmt::format("model.init_from={}", directory.model().string()),
          "continue from these weights");
  return text;
}

}  // namespace

std::string run_summary(const ResolvedRun& run, const RunResult& result,
                        const RunDirectory& directory, const std::string& trace,
                        const std::string& config_name) {
  return result_lines(run, result) + time_table(run, result) + file_lines(run, result, directory) +
         trace + try_next(run, result, directory, config_name);
}

}  // namespace stagecraft
