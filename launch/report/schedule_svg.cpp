#include "launch/report/schedule_svg.h"

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
constexpr double kRight = 240;
constexpr double kBottom = 66;
constexpr double kShortest = 18;  // smallest width of an instruction: two digits fit
constexpr double kWidest = 30'000;
constexpr double kDigit = 6.2;  // width of a digit

constexpr const char* kIdle = "#f1f1f1";
constexpr const char* kCommunication = "#cfe8e3";

/// The colour of the op, darker by the factor.
std::string colour_text(Op op, double shade) {
  const auto part = [&](int shift) {
    return static_cast<int>(((traits(op).colour >> shift) & 0xFFU) * shade);
  };
  return fmt::format("#{:02x}{:02x}{:02x}", part(16), part(8), part(0));
}

bool drawn(const Action& action) {
  return traits(action.instruction.op).colour != 0 && action.end > action.begin;
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
  explicit SvgWriter(const SvgDiagram& picture)
      : picture_(picture),
        end_(end()),
        scale_(scale()),
        left_(left()),
        local_chunk_(local_chunks()) {}

  std::string run() {
    const double right = x_of(end_);
    width_ = std::max(right + kRight, 900.0);
    height_ = kTop + static_cast<double>(picture_.rows.size()) * kRow + kBottom;
    text(left_, 20, "start", 14, escaped(picture_.title));
    text(right + 12, kTop - 8, "start", 11, picture_.notes);
    for (std::size_t i = 0; i < picture_.rows.size(); ++i) {
      row(picture_.rows[i], kTop + static_cast<double>(i) * kRow);
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
  double end() const {
    double end = 0;
    for (const SvgRow& row : picture_.rows) {
      end = std::max(end, row.end);
    }
    return end;
  }

  double scale() const {
    const double unit = picture_.unit > 0 ? picture_.unit : shortest();
    require(unit > 0, "schedule_svg", "a program that takes no time cannot be drawn");
    return std::min(kShortest / unit, kWidest / end_);
  }

  double shortest() const {
    double shortest = end_;
    for (const SvgRow& row : picture_.rows) {
      for (const Action& action : row.actions) {
        shortest = drawn(action) ? std::min(shortest, action.end - action.begin) : shortest;
      }
    }
    return shortest;
  }

  double left() const {
    std::size_t longest = 0;
    for (const SvgRow& row : picture_.rows) {
      longest = std::max(longest, row.label.size());
    }
    return std::max(kLeft, static_cast<double>(longest) * kDigit + 16);
  }

  /// The index of each chunk among the chunks of its stage.
  std::vector<int> local_chunks() const {
    std::map<int, int> next;
    std::vector<int> local_chunks;
    for (const int stage : picture_.stage_of_chunk) {
      local_chunks.push_back(next[stage]++);
    }
    return local_chunks;
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

  double x_of(double time) const { return left_ + time * scale_; }

  void row(const SvgRow& row, double y) {
    const double middle = y + (kRow - kRowGap) / 2 + 4;
    text(left_ - 8, middle, "end", 12, escaped(row.label));
    add(R"(<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" fill="{}"/>)", left_, y,
        row.end * scale_, kRow - kRowGap, row.gaps.empty() ? kIdle : kCommunication);
    for (const SvgGap& each : row.gaps) {
      gap(each, y);
    }
    for (const Action& action : row.actions) {
      if (drawn(action)) {
        instruction(action, y);
      }
    }
    text(x_of(end_) + 12, middle, "start", 11, row.note);
  }

  void gap(const SvgGap& gap, double y) {
    const double width = (gap.end - gap.begin) * scale_;
    add(R"(<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" fill="{}"><title>{}</title>)"
        "</rect>",
        x_of(gap.begin), y, width, kRow - kRowGap, kIdle, escaped(gap.cause));
    label(gap.label, gap.begin, width, y);
  }

  void label(const std::string& name, double begin, double width, double y) {
    if (static_cast<double>(name.size()) * kDigit + 1 <= width) {
      text(x_of(begin) + width / 2, y + (kRow - kRowGap) / 2 + 4, "middle", 11, name);
    }
  }

  void instruction(const Action& action, double y) {
    const Instruction& i = action.instruction;
    const double width = (action.end - action.begin) * scale_;
    box(x_of(action.begin), y, width, kRow - kRowGap, colour_text(i.op, shade(i)));
    label(has_microbatch(i.op) ? fmt::format("{}", i.microbatch) : std::string(letters(i.op)),
          action.begin, width, y);
  }

  double shade(const Instruction& i) const {
    constexpr double kStep = 0.18;
    constexpr double kDarkest = 0.6;
    const int local_chunk = has_chunk(i.op) ? local_chunk_[static_cast<std::size_t>(i.chunk)] : 0;
    return std::max(1 - kStep * local_chunk, kDarkest);
  }

  void axis() {
    const double y = kTop + static_cast<double>(picture_.rows.size()) * kRow + 4;
    const double right = x_of(end_);
    add(R"(<path d="M{0:.2f} {2:.2f}H{1:.2f}m-6 -3l6 3l-6 3" fill="none" stroke="#444"/>)", left_,
        right, y);
    text(left_, y + 14, "middle", 10, "0");
    text(right, y + 14, "middle", 10, fmt::format("{:.6g}", end_));
    text((left_ + right) / 2, y + 14, "middle", 10, "time");
  }

  void legend() {
    double x = left_;
    const double y = height_ - 26;
    const auto entry = [&](const std::string& fill, std::string_view name) {
      box(x, y, 14, 14, fill);
      text(x + 19, y + 11, "start", 11, name);
      x += 35 + static_cast<double>(name.size()) * kDigit;
    };
    for (const OpTraits& each : kOpTraits) {
      if (occurs(each.op)) {
        entry(colour_text(each.op, 1), fmt::format("{} {}", each.letters, each.description));
      }
    }
    if (std::any_of(picture_.rows.begin(), picture_.rows.end(),
                    [](const SvgRow& row) { return !row.gaps.empty(); })) {
      entry(kCommunication, "exposed communication");
      entry(kIdle, "idle, and what it waits for");
    }
    if (std::any_of(local_chunk_.begin(), local_chunk_.end(),
                    [](int local_chunk) { return local_chunk > 0; })) {
      constexpr std::string_view kDarker = "darker: a later chunk of the stage";
      text(x, y + 11, "start", 11, kDarker);
      x += static_cast<double>(kDarker.size()) * kDigit;
    }
    width_ = std::max(width_, x + 8);
  }

  bool occurs(Op op) const {
    return std::any_of(picture_.rows.begin(), picture_.rows.end(), [&](const SvgRow& row) {
      return std::any_of(row.actions.begin(), row.actions.end(), [&](const Action& action) {
        return action.instruction.op == op && drawn(action);
      });
    });
  }

  const SvgDiagram& picture_;
  double end_;
  double scale_;
  double left_;
  std::vector<int> local_chunk_;
  double width_ = 0;
  double height_ = 0;
  std::string body_;
};

}  // namespace

std::string svg(const SvgDiagram& picture) { return SvgWriter(picture).run(); }

std::string schedule_svg(const Program& program, const Timeline& timeline, const std::string& title,
                         const std::vector<StagePeak>& peaks) {
  SvgDiagram picture{title, "most at once", program.stage_of_chunk, {}, 0};
  for (std::size_t stage = 0; stage < timeline.stages.size(); ++stage) {
    const StageTimeline& line = timeline.stages[stage];
    const std::string stashes =
        line.peak_weight_stashes == 0 ? "" : fmt::format(", {} for W", line.peak_weight_stashes);
    const std::string bytes = stage < peaks.size() && peaks[stage].bytes > 0
                                  ? fmt::format(", {} bytes", peaks[stage].bytes)
                                  : "";
    picture.rows.push_back(
        {.label = fmt::format("stage {}", stage),
         .actions = line.actions,
         .gaps = {},
         .end = timeline.makespan,
         .note = fmt::format("{} activation{}{}{}", line.peak_activations,
                             line.peak_activations == 1 ? "" : "s", stashes, bytes)});
  }
  return svg(picture);
}

}  // namespace stagecraft
