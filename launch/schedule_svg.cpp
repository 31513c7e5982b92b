#include "launch/schedule_svg.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

// Pixels.
constexpr double kLeft = 76;
constexpr double kTop = 44;
constexpr double kRow = 26;
constexpr double kRowGap = 4;
constexpr double kRight = 200;
constexpr double kBottom = 66;
constexpr double kShortest = 16;  // an instruction's width, so that two digits can be read
constexpr double kWidest = 30'000;
constexpr double kDigit = 6.2;  // a digit's width

struct Rgb {
  int red = 0;
  int green = 0;
  int blue = 0;
};

struct Kind {
  std::string_view name;
  Rgb colour;
};

/// Colours that stay apart for the colour-blind, light enough for black digits.
const std::map<Op, Kind>& kinds() {
  static const std::map<Op, Kind> kKinds = {
      {Op::forward, {"F forward", {156, 196, 240}}},
      {Op::backward, {"B backward, both gradients", {250, 200, 120}}},
      {Op::backward_input, {"I gradient of the input", {245, 160, 145}}},
      {Op::backward_weight, {"W gradient of the weights", {150, 212, 160}}},
      {Op::reduce_tied, {"T sum of the tied parameter", {205, 175, 225}}},
      {Op::reduce_data, {"D sum over data ranks", {180, 160, 210}}},
      {Op::optimizer, {"U optimizer", {190, 190, 190}}}};
  return kKinds;
}

std::string colour_text(const Rgb& colour, double shade) {
  const auto part = [&](int value) { return static_cast<int>(value * shade); };
  return fmt::format("#{:02x}{:02x}{:02x}", part(colour.red), part(colour.green),
                     part(colour.blue));
}

bool drawn(const Action& action) {
  return kinds().count(action.instruction.op) != 0 && action.end > action.begin;
}

std::string escaped(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    safe += c == '<' ? "&lt;" : c == '>' ? "&gt;" : c == '&' ? "&amp;" : std::string(1, c);
  }
  return safe;
}

class SvgWriter {
 public:
  SvgWriter(const Program& program, const Timeline& timeline)
      : program_(program), timeline_(timeline), scale_(scale()), place_(places()) {}

  std::string run(const std::string& title) {
    const double right = kLeft + timeline_.makespan * scale_;
    width_ = std::max(right + kRight, 900.0);
    height_ = kTop + static_cast<double>(timeline_.stages.size()) * kRow + kBottom;
    text(kLeft, 20, "start", 14, escaped(title));
    text(right + 12, kTop - 8, "start", 11, "most at once");
    for (std::size_t stage = 0; stage < timeline_.stages.size(); ++stage) {
      row(stage);
    }
    axis();
    legend();
    return fmt::format(
               R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0:.0f}" height="{1:.0f}" )"
               R"(viewBox="0 0 {0:.0f} {1:.0f}" font-family="Helvetica, Arial, sans-serif">)"
               "\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
               width_, height_) +
           body_ + "</svg>\n";
  }

 private:
  double scale() const {
    double shortest = timeline_.makespan;
    for (const StageTimeline& stage : timeline_.stages) {
      for (const Action& action : stage.actions) {
        shortest = drawn(action) ? std::min(shortest, action.end - action.begin) : shortest;
      }
    }
    require(shortest > 0, "schedule_svg", "a program that takes no time cannot be drawn");
    return std::min(kShortest / shortest, kWidest / timeline_.makespan);
  }

  /// Each chunk's position among its stage's.
  std::vector<int> places() const {
    std::vector<int> next(timeline_.stages.size(), 0);
    std::vector<int> places;
    for (const int stage : program_.stage_of_chunk) {
      places.push_back(next[static_cast<std::size_t>(stage)]++);
    }
    return places;
  }

  template <typename... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(body_), format, std::forward<Args>(args)...);
    body_ += '\n';
  }

  void text(double x, double y, std::string_view anchor, int size, std::string_view what) {
    add(R"(<text x="{:.2f}" y="{:.2f}" text-anchor="{}" font-size="{}">{}</text>)", x, y, anchor,
        size, what);
  }

  void box(double x, double y, double width, double height, const std::string& fill) {
    add(R"(<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" fill="{}" stroke="#444" )"
        R"(stroke-width="0.5"/>)",
        x, y, width, height, fill);
  }

  double x_of(double time) const { return kLeft + time * scale_; }

  void row(std::size_t stage) {
    const StageTimeline& line = timeline_.stages[stage];
    const double y = kTop + static_cast<double>(stage) * kRow;
    const double middle = y + (kRow - kRowGap) / 2 + 4;
    text(kLeft - 8, middle, "end", 12, fmt::format("stage {}", stage));
    add(R"(<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" fill="#f1f1f1"/>)", kLeft, y,
        timeline_.makespan * scale_, kRow - kRowGap);
    for (const Action& action : line.actions) {
      if (drawn(action)) {
        instruction(action, y);
      }
    }
    const std::string stashes =
        line.peak_weight_stashes == 0 ? "" : fmt::format(", {} for W", line.peak_weight_stashes);
    text(x_of(timeline_.makespan) + 12, middle, "start", 11,
         fmt::format("{} activation{}{}", line.peak_activations,
                     line.peak_activations == 1 ? "" : "s", stashes));
  }

  void instruction(const Action& action, double y) {
    const Instruction& i = action.instruction;
    const double width = (action.end - action.begin) * scale_;
    box(x_of(action.begin), y, width, kRow - kRowGap,
        colour_text(kinds().at(i.op).colour, shade(i)));
    const std::string name =
        has_microbatch(i.op) ? fmt::format("{}", i.microbatch) : std::string(letters(i.op));
    if (static_cast<double>(name.size()) * kDigit + 1 <= width) {
      text(x_of(action.begin) + width / 2, y + (kRow - kRowGap) / 2 + 4, "middle", 11, name);
    }
  }

  double shade(const Instruction& i) const {
    constexpr double kStep = 0.18;
    constexpr double kDarkest = 0.6;
    const int place = i.op == Op::optimizer ? 0 : place_[static_cast<std::size_t>(i.chunk)];
    return std::max(1 - kStep * place, kDarkest);
  }

  void axis() {
    const double y = kTop + static_cast<double>(timeline_.stages.size()) * kRow + 4;
    const double right = x_of(timeline_.makespan);
    add(R"(<path d="M{0:.2f} {2:.2f}H{1:.2f}m-6 -3l6 3l-6 3" fill="none" stroke="#444"/>)", kLeft,
        right, y);
    text(kLeft, y + 14, "middle", 10, "0");
    text(right, y + 14, "middle", 10, fmt::format("{:.6g}", timeline_.makespan));
    text((kLeft + right) / 2, y + 14, "middle", 10, "time");
  }

  void legend() {
    double x = kLeft;
    const double y = height_ - 26;
    for (const auto& [op, kind] : kinds()) {
      if (occurs(op)) {
        box(x, y, 14, 14, colour_text(kind.colour, 1));
        text(x + 19, y + 11, "start", 11, kind.name);
        x += 35 + static_cast<double>(kind.name.size()) * kDigit;
      }
    }
    if (program_.chunks > static_cast<int>(timeline_.stages.size())) {
      text(x, y + 11, "start", 11, "darker: a later chunk of the stage");
    }
  }

  bool occurs(Op op) const {
    return std::any_of(
        timeline_.stages.begin(), timeline_.stages.end(), [&](const StageTimeline& stage) {
          return std::any_of(stage.actions.begin(), stage.actions.end(), [&](const Action& action) {
            return action.instruction.op == op && drawn(action);
          });
        });
  }

  const Program& program_;
  const Timeline& timeline_;
  double scale_;
  std::vector<int> place_;
  double width_ = 0;
  double height_ = 0;
  std::string body_;
};

}  // namespace

std::string schedule_svg(const Program& program, const Timeline& timeline,
                         const std::string& title) {
  return SvgWriter(program, timeline).run(title);
}

}  // namespace stagecraft
