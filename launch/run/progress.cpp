#include "launch/run/progress.h"

#include <fmt/format.h>

#include "kernels/base/span.h"
#include "launch/format/units.h"

namespace stagecraft {
namespace {

constexpr std::int64_t kTerminalPause_ns = 100'000'000;
constexpr std::int64_t kFilePause_ns = 10'000'000'000;
constexpr std::size_t kMaxLines = 256;
constexpr double kNewShare = 0.1;  // weight of the newest step in the smoothed duration

/// " (a 1.2345, b 0.1234)"; "" for a model with one loss.
std::string losses_text(const std::vector<NamedLoss>& losses) {
  std::string text;
  for (const NamedLoss& loss : losses) {
    text += fmt::format("{}{} {:.4f}", text.empty() ? " (" : ", ", loss.name, loss.value);
  }
  return text.empty() ? text : text + ")";
}

}  // namespace

void LiveLine::add(const StepReport& report) {
  const bool first = last_.step == 0;
  last_ = report;
  step_seconds_ =
      first ? report.seconds : (1 - kNewShare) * step_seconds_ + kNewShare * report.seconds;
}

void LiveLine::add(const EvaluationReport& report) { validation_loss_ = report.loss; }

std::string LiveLine::text() const {
  const double seconds = std::max(step_seconds_, 1e-9);
  std::string text = fmt::format("step {}/{}  loss {:.4f}{}", last_.step, numbers_.steps,
                                 last_.loss, losses_text(last_.losses));
  if (validation_loss_) {
    text += fmt::format("  validation {:.4f}", *validation_loss_);
  }
  return text + fmt::format(
                    "  {} tokens/s  {:.1f} GFLOP/s  {} left",
                    throughput_text(static_cast<double>(last_.tokens) / seconds),
                    numbers_.flops_per_step / seconds * 1e-9,
                    seconds_text(step_seconds_ * static_cast<double>(numbers_.steps - last_.step)));
}

Progress::Progress(LiveNumbers numbers, std::FILE* out, bool terminal)
    : numbers_(numbers),
      line_(numbers),
      out_(out),
      terminal_(terminal),
      lines_(kMaxLines, LineQueue::WhenFull::drop,
             [this](LineQueue::Kind kind, const std::string& text) { write(kind, text); }) {}

void Progress::on_step(const StepReport& report) {
  line_.add(report);
  if (due(report)) {
    show(line_.text());
  }
}

void Progress::on_evaluation_begin(std::int64_t step) {
  if (terminal_) {
    show(fmt::format("step {}/{}  evaluating ...", step, numbers_.steps));
  }
}

void Progress::on_evaluation_end(const EvaluationReport& report) {
  if (report.loss) {
    line_.add(report);
    show(line_.text());
    return;
  }
  lines_.add(
      LineQueue::Kind::line,
      fmt::format("the evaluation after step {} was cut short by the stop, after {} of {} "
                  "batches: it has no loss",
                  report.step, with_separators(report.done), with_separators(report.batches)));
}

void Progress::on_model_written(const std::filesystem::path& folder) {
  lines_.add(LineQueue::Kind::line, fmt::format("model written to {}", folder.string()));
}

void Progress::finish_line() { lines_.add(LineQueue::Kind::end); }

void Progress::flush() {
  if (const std::size_t dropped = lines_.dropped(); dropped > 0) {
    lines_.add(LineQueue::Kind::line,
               fmt::format("{} lines are left out: the output took none for too long", dropped));
  }
  lines_.flush();
}

bool Progress::due(const StepReport& report) const {
  const std::int64_t pause_ns = terminal_ ? kTerminalPause_ns : kFilePause_ns;
  return report.step == 1 || report.step == numbers_.steps || now_ns() - shown_ns_ >= pause_ns;
}

void Progress::show(const std::string& text) {
  shown_ns_ = now_ns();
  lines_.add(terminal_ ? LineQueue::Kind::live : LineQueue::Kind::line, text);
}

/// Output that nobody reads is no failure of the run, so errors of `out` are ignored.
void Progress::write(LineQueue::Kind kind, const std::string& text) {
  std::string bytes;
  if (kind == LineQueue::Kind::live) {
    bytes = "\r\x1b[K" + text;  // return to the start of the line and erase it
  } else {
    bytes = open_line_ ? "\n" : "";
    bytes += kind == LineQueue::Kind::line ? text + "\n" : "";
  }
  open_line_ = kind == LineQueue::Kind::live;
  std::fwrite(bytes.data(), 1, bytes.size(), out_);
  std::fflush(out_);
}

}  // namespace stagecraft
