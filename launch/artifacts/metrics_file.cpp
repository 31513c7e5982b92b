#include "launch/artifacts/metrics_file.h"

#include <fmt/format.h>

#include <cmath>

namespace stagecraft {
namespace {

std::string number(double value) {
  return std::isfinite(value) ? fmt::format("{:.9g}", value) : "null";
}

/// A member of a row, with a comma before it; "" for a model with one loss.
std::string losses_member(std::string_view name, const std::vector<NamedLoss>& losses) {
  if (losses.empty()) {
    return "";
  }
  std::string text;
  for (const NamedLoss& loss : losses) {
    text += fmt::format(R"({}"{}": {})", text.empty() ? "" : ", ", loss.name, number(loss.value));
  }
  return fmt::format(R"(, "{}": {{{}}})", name, text);
}

}  // namespace

std::string metrics_line(const StepReport& report) {
  const double rate = static_cast<double>(report.tokens) / report.seconds;
  return fmt::format(
      R"({{"step": {}, "loss": {}{}, "grad_norm": {}, "learning_rate": {}, "tokens": {}, )"
      R"("step_seconds": {}, "tokens_per_second": {}}})",
      report.step, number(report.loss), losses_member("losses", report.losses),
      number(report.gradient_norm), number(report.learning_rate), report.tokens,
      number(report.seconds), number(rate));
}

std::string metrics_line(const EvaluationReport& report) {
  return fmt::format(R"({{"step": {}, "validation_loss": {}{}}})", report.step,
                     number(report.loss.value()),
                     losses_member("validation_losses", report.losses));
}

std::string metrics_line(const StateHashReport& report) {
  return fmt::format(R"({{"step": {}, "state_hash": "{}"}})", report.step, hash_text(report.sum));
}

}  // namespace stagecraft
