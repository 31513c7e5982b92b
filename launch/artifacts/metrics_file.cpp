#include "launch/artifacts/metrics_file.h"

#include <fmt/format.h>

#include <cmath>

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

std::string metrics_line(const StateHashReport& report) {
  return fmt::format(R"({{"step": {}, "state_hash": "{}"}})", report.step, hash_text(report.sum));
}

}  // namespace stagecraft
