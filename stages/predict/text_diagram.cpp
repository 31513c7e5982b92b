#include "stages/predict/text_diagram.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

bool names_chunks(const Program& program) {
  return program.chunks > static_cast<int>(program.stages.size());
}

std::string label(const Program& program, const Instruction& i) {
  return names_chunks(program) ? to_string(i) : fmt::format("{}{}", letters(i.op), i.microbatch);
}

std::size_t digits(int number) {
  std::size_t count = 1;
  for (; number >= 10; number /= 10) {
    ++count;
  }
  return count;
}

/// The width of the label, without formatting it.
std::size_t label_width(const Program& program, const Instruction& i) {
  return (names_chunks(program) ? digits(i.chunk) : 0) + letters(i.op).size() +
         digits(i.microbatch);
}

double duration(const Action& action) { return action.end - action.begin; }

template <typename F>
void for_each_compute(const StageTimeline& stage, F&& f) {
  for (const Action& action : stage.actions) {
    if (is_compute(action.instruction.op) && duration(action) > 0) {
      f(action);
    }
  }
}

constexpr double kWidest = 100'000;  // columns

/// Columns per unit of time.
double scale_of(const Program& program, const Timeline& timeline) {
  double scale = 0;
  for (const StageTimeline& stage : timeline.stages) {
    for_each_compute(stage, [&](const Action& action) {
      const std::size_t width = label_width(program, action.instruction) + 1;
      scale = std::max(scale, static_cast<double>(width) / duration(action));
    });
  }
  require(scale > 0, "draw", "a program whose compute takes no time cannot be drawn");
  return std::min(scale, kWidest / timeline.makespan);
}

std::string_view background(Op op) {
  const std::optional<Payload> payload = payload_of(op);
  if (!payload) {
    return "\x1b[30;42m";  // black on green: W
  }
  return *payload == Payload::activation ? "\x1b[30;46m" : "\x1b[30;43m";  // on cyan, on yellow
}

/// A piece of a row and its colour sequence; a gap has none.
struct Piece {
  std::string text;
  std::string_view colour;
};

/// "|F0 F1       B0=== |": every instruction ends in a blank; B is filled with "=". Stops after
/// `room` columns.
std::vector<Piece> row_of(const Program& program, const Timeline& timeline, std::size_t stage,
                          double scale, std::size_t room) {
  const auto column = [&](double time) {
    return static_cast<std::size_t>(std::llround(time * scale));
  };
  std::vector<Piece> row;
  std::size_t at = 0;
  for_each_compute(timeline.stages[stage], [&](const Action& action) {
    if (at > room) {
      return;
    }
    const Op op = action.instruction.op;
    const std::size_t begin = column(action.begin);
    if (column(action.end) == begin) {
      return;
    }
    std::string cell = label(program, action.instruction);
    cell.resize(column(action.end) - begin - 1, op == Op::backward ? '=' : ' ');
    row.push_back({std::string(begin - at, ' '), {}});
    row.push_back({cell, background(op)});
    row.push_back({" ", {}});
    at = column(action.end);
  });
  const std::size_t end = std::max(std::min(column(timeline.makespan), room + 1), at);
  row.push_back({std::string(end - at, ' '), {}});
  return row;
}

std::size_t width_of(const std::vector<Piece>& row) {
  std::size_t width = 0;
  for (const Piece& piece : row) {
    width += piece.text.size();
  }
  return width;
}

/// The first `width` characters.
std::vector<Piece> cut(std::vector<Piece> row, std::size_t width) {
  for (Piece& piece : row) {
    piece.text.resize(std::min(piece.text.size(), width));
    width -= piece.text.size();
  }
  return row;
}

std::string text_of(const std::vector<Piece>& row, bool colour) {
  std::string text;
  for (const Piece& piece : row) {
    const bool coloured = colour && !piece.colour.empty() && !piece.text.empty();
    text += coloured ? fmt::format("{}{}\x1b[0m", piece.colour, piece.text) : piece.text;
  }
  return text;
}

}  // namespace

std::string draw(const Program& program, const Timeline& timeline, const TextDiagramStyle& style) {
  const double scale = scale_of(program, timeline);
  const std::size_t width_of_stage = digits(static_cast<int>(timeline.stages.size()) - 1);
  std::string diagram;
  for (std::size_t stage = 0; stage < timeline.stages.size(); ++stage) {
    const std::string head = fmt::format("stage {:>{}} |", stage, width_of_stage);
    const std::size_t room = static_cast<std::size_t>(std::max(style.columns, 20)) - head.size();
    std::vector<Piece> row = row_of(program, timeline, stage, scale, room);
    std::size_t width = width_of(row);  // the last column is for the frame
    std::string end = "|";
    if (width > room) {
      end = "...";
      width = room - 2;
    }
    diagram.append(head)
        .append(text_of(cut(std::move(row), width - 1), style.colour))
        .append(end)
        .append("\n");
  }
  return diagram;
}

TextDiagram draw(const Program& program, int columns) {
  const Timeline timeline = simulate(program, {});
  return {.text = draw(program, timeline, {.columns = columns}),
          .bubble = timeline.bubble,
          .makespan = static_cast<int>(std::lround(timeline.makespan))};
}

}  // namespace stagecraft
