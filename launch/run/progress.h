// The observer that shows the progress of a run to a person.
#pragma once

#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include "actors/protocol/run_report.h"
#include "launch/run/line_queue.h"

namespace stagecraft {

/// Constants from which the live line is computed.
struct LiveNumbers {
  std::int64_t steps = 0;
  double flops_per_step = 0;
};

/// Formats the latest values as one line. The line depends on the reports alone.
class LiveLine {
 public:
  explicit LiveLine(LiveNumbers numbers) : numbers_(numbers) {}
  void add(const StepReport& report);
  void add(const EvaluationReport& report);
  std::string text() const;

 private:
  LiveNumbers numbers_;
  StepReport last_;
  std::optional<double> validation_loss_;
  double step_seconds_ = 0;  // smoothed over about ten steps
};

class Progress : public RunObserver {
 public:
  /// Writes to `out`. On a terminal, one line is rewritten in place. Elsewhere, a line is written
  /// every ten seconds, after every evaluation, and for the first and the last step.
  /// No call waits for `out`, except flush() and the destructor.
  Progress(LiveNumbers numbers, std::FILE* out, bool terminal);

  void on_step(const StepReport& report) override;
  void on_evaluation_begin(std::int64_t step) override;
  void on_evaluation_end(const EvaluationReport& report) override;
  void on_model_written(const std::filesystem::path& folder) override;

  /// Shows a line, from any thread.
  void say(std::string text) { lines_.add(LineQueue::Kind::line, std::move(text)); }
  /// Ends the line that is rewritten in place.
  void finish_line();
  /// Says how many lines were left out, if any, and waits until everything is written.
  void flush();

 private:
  bool due(const StepReport& report) const;
  void show(const std::string& text);
  void write(LineQueue::Kind kind, const std::string& text);

  LiveNumbers numbers_;
  LiveLine line_;
  std::FILE* out_;
  bool terminal_;
  std::int64_t shown_ns_ = 0;
  bool open_line_ = false;  // of the queue's thread
  LineQueue lines_;
};

}  // namespace stagecraft
