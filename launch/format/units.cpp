#include "launch/format/units.h"

#include <fmt/format.h>

#include <cmath>

namespace stagecraft {
namespace {

std::string scaled(double value, double base, const char* const* names, int count) {
  int unit = 0;
  while (std::abs(value) >= base * 0.9995 && unit + 1 < count) {
    value /= base;
    ++unit;
  }
  const int digits = unit == 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2;
  return fmt::format("{:.{}f}{}{}", value, digits, *names[unit] == '\0' ? "" : " ", names[unit]);
}

}  // namespace

std::string bytes_text(std::int64_t bytes) {
  constexpr const char* kNames[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
  return scaled(static_cast<double>(bytes), 1024, kNames, 6);
}

std::string count_text(std::int64_t count) {
  constexpr const char* kNames[] = {"", "k", "M", "G", "T"};
  return scaled(static_cast<double>(count), 1000, kNames, 5);
}

std::string seconds_text(double seconds) {
  if (seconds < 99.95) {
    return fmt::format("{:.{}f} s", seconds, seconds < 9.995 ? 2 : 1);
  }
  const auto whole = static_cast<std::int64_t>(std::llround(seconds));
  if (whole < 3600) {
    return fmt::format("{} min {:02} s", whole / 60, whole % 60);
  }
  return fmt::format("{} h {:02} min", whole / 3600, whole / 60 % 60);
}

std::string percent_text(double share) { return fmt::format("{:.1f} %", 100 * share); }

std::string throughput_text(double per_second) {
  return per_second < 10 ? fmt::format("{:.2f}", per_second)
                         : with_separators(std::llround(per_second));
}

std::string with_separators(std::int64_t count) {
  const std::string digits = std::to_string(count);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    const bool group = i > 0 && (digits.size() - i) % 3 == 0;
    if (group && text != "-") {
      text += ',';
    }
    text += digits[i];
  }
  return text;
}

}  // namespace stagecraft
