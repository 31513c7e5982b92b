#include "launch/artifacts/metrics_file.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.9g}", value) : "null";
}

}  // namespace

std::string metrics_line(const StepReport& report) {
  const double rate = static_cast<double>(report.tokens) / report.seconds;
  return fmt::format(
      R"({{"step": {}, "loss": {}, "grad_norm": {}, "learning_rate": {}, "tokens": {}, )"
      R"("step_seconds": {}, "tokens_per_second": {}}})",
      report.step, number(report.loss), number(report.gradient_norm), number(report.learning_rate),
      report.tokens, number(report.seconds), number(rate));
}

std::string metrics_line(const EvaluationReport& report) {
  return fmt::format(R"({{"step": {}, "validation_loss": {}}})", report.step,
                     number(report.loss.value()));
}

MetricsFile::MetricsFile(std::filesystem::path path) : path_(std::move(path)), file_(path_) {
  require(file_.is_open(), path_.string(), "cannot be written");
}

void MetricsFile::add(const std::string& line) {
  file_ << line << '\n' << std::flush;
  require(file_.good(), path_.string(), "this row could not be written; is the disk full? {}",
          line);
}

}  // namespace stagecraft
