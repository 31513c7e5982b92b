#include "stages/board/board_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <csignal>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <fstream>
#include <vector>

#include "kernels/base/text_table.h"

namespace stagecraft {
namespace {

using View = ProgressSlot::View;

/// If a live process has given no heartbeat for this long, the process or its host is frozen.
constexpr std::int64_t kSilentNs = 3'000'000'000;

std::string time_text(std::int64_t wall_ns) {
  return fmt::format("{:%F %T} UTC",
                     fmt::gmtime(static_cast<std::time_t>(wall_ns / 1'000'000'000)));
}

bool asks(const BoardReader& reader, const ProgressSlot& slot) {
  return slot.view().process != 0 && slot.host() == reader.host;
}

bool lives(const BoardReader& reader, const ProgressSlot& slot) {
  return !asks(reader, slot) || reader.alive(slot.view().process);
}

std::int64_t last_sign_ns(const ProgressSlot& slot) {
  const View view = slot.view();
  return view.process == 0 ? 0 : slot.wall_ns(std::max(view.since_ns, view.heartbeat_ns));
}

/// The time for which the report holds.
std::int64_t moment_ns(const ProgressBoard& board, const BoardReader& reader) {
  std::int64_t last = board.created_wall_ns();
  bool anybody = false;
  for (int rank = 0; rank < board.ranks(); ++rank) {
    const ProgressSlot& slot = board.slot(rank);
    anybody = anybody || (slot.view().process != 0 && lives(reader, slot));
    last = std::max(last, last_sign_ns(slot));
  }
  return anybody ? reader.wall_ns : last;
}

bool has_ended(Activity activity) {
  return activity == Activity::ended || activity == Activity::failed ||
         activity == Activity::dismissed;
}

std::string state_text(const ProgressSlot& slot, const BoardReader& reader) {
  const View view = slot.view();
  if (view.process == 0) {
    return "never started";
  }
  if (has_ended(view.activity)) {
    return std::string(to_string(view.activity));
  }
  if (!lives(reader, slot)) {
    return "dead";
  }
  const std::int64_t silent_ns = reader.wall_ns - slot.wall_ns(view.heartbeat_ns);
  if (view.heartbeat_ns != 0 && silent_ns > kSilentNs) {
    return fmt::format("silent for {:.1f} s", static_cast<double>(silent_ns) * 1e-9);
  }
  return asks(reader, slot) ? "alive" : view.heartbeat_ns != 0 ? "heartbeat" : "unknown";
}

/// Whether an executor can have written this row; a file may contain anything.
bool plausible(const View& view, const BoardInfo& info) {
  const Instruction& i = view.instruction;
  const auto chunks = static_cast<int>(info.stage_of_chunk.size());
  if (static_cast<int>(view.activity) >= kActivities || !is_op(i.op) || i.chunk >= chunks) {
    return false;
  }
  const int neighbour = other_end(i).chunk;
  return !is_transfer(i.op) || (neighbour >= 0 && neighbour < chunks);
}

std::string where_text(const View& view, const BoardInfo& info) {
  if (view.process == 0) {
    return "";
  }
  if (!plausible(view, info)) {
    return "this row of the board is not valid";
  }
  return waits_in_program(view.activity)
             ? fmt::format("{}: waits for {}", location_text(view),
                           awaited(view.instruction, info.stage_of_chunk))
             : location_text(view);
}

std::string since_text(const ProgressSlot& slot, std::int64_t moment_ns) {
  const View view = slot.view();
  const std::int64_t ns = std::max<std::int64_t>(0, moment_ns - slot.wall_ns(view.since_ns));
  return view.process == 0 ? "" : fmt::format("{:.1f} s", static_cast<double>(ns) * 1e-9);
}

std::vector<std::string> row_of(const ProgressBoard& board, int rank, const BoardReader& reader,
                                std::int64_t moment_ns) {
  const ProgressSlot& slot = board.slot(rank);
  const View view = slot.view();
  return {fmt::format("{}", rank),
          fmt::format("{}", coordinate_of(board.info().mesh, rank).pipeline),
          view.process == 0 ? "" : fmt::format("{}", view.process),
          slot.host(),
          state_text(slot, reader),
          since_text(slot, moment_ns),
          where_text(view, board.info())};
}

std::vector<std::string> driver_row(const ProgressBoard& board, const BoardReader& reader,
                                    std::int64_t moment_ns) {
  const ProgressSlot& slot = board.driver();
  const View view = slot.view();
  const bool entered = view.process != 0;
  const bool valid = static_cast<int>(view.activity) < kActivities;
  return {"driver",
          "",
          entered ? fmt::format("{}", view.process) : "",
          slot.host(),
          entered && valid ? state_text(slot, reader) : "",
          since_text(slot, moment_ns),
          !entered ? ""
          : valid  ? driver_text(view)
                   : "this row of the board is not valid"};
}

/// The processes that died without recording a cause: a killed process cannot, and mpirun may end
/// the others before they do.
std::string gone_text(const ProgressBoard& board, const BoardReader& reader) {
  std::vector<std::string> gone;
  for (int rank = 0; rank < board.ranks(); ++rank) {
    const View view = board.slot(rank).view();
    if (!lives(reader, board.slot(rank)) && !has_ended(view.activity)) {
      gone.push_back(fmt::format(
          "{}, {}: its process {} is gone without having ended (killed, or crashed)",
          rank_text(board.info().mesh, rank), where_text(view, board.info()), view.process));
    }
  }
  return fmt::format("{}", fmt::join(gone, "; "));
}

std::string cause_text(const ProgressBoard& board, const BoardReader& reader) {
  const std::optional<Cause> own = board.cause();
  if (const auto& cause = own ? own : reader.cause_elsewhere) {
    return fmt::format("First cause, {}: {}\n", time_text(cause->wall_ns), cause->text);
  }
  if (board.failed()) {
    return "First cause: unknown, because the process that was recording it ended first\n";
  }
  if (ended_well(board)) {
    return "Every rank has ended normally\n";
  }
  const std::string gone = gone_text(board, reader);
  return gone.empty() ? "First cause: none recorded\n"
                      : fmt::format("First cause: none recorded, but {}\n", gone);
}

std::string launcher_text(const ProgressBoard& board, const BoardReader& reader) {
  const int process = board.info().launcher_process;
  if (process == 0 || !asks(reader, board.slot(0))) {
    return "";
  }
  return fmt::format(", launched by process {} ({})", process,
                     reader.alive(process) ? "alive" : "gone");
}

/// Whether the process is a zombie, which counts as dead. Zombies stay if the first process of a
/// container does not reap them. The format is "PID (NAME) Z ...".
bool unburied(int process) {
  std::ifstream file(fmt::format("/proc/{}/stat", process));
  std::string text;
  std::getline(file, text);
  const std::size_t state = text.rfind(')') + 2;
  return text.size() > state && (text[state] == 'Z' || text[state] == 'X');
}

bool is_alive(int process) {
  return (::kill(process, 0) == 0 || errno == EPERM) && !unburied(process);
}

}  // namespace

BoardReader board_reader() {
  return {.host = host_name(), .wall_ns = wall_clock_ns(), .alive = is_alive};
}

bool anybody_lives(const ProgressBoard& board, const BoardReader& reader) {
  for (int rank = 0; rank < board.ranks(); ++rank) {
    const ProgressSlot& slot = board.slot(rank);
    if (asks(reader, slot) && lives(reader, slot)) {
      return true;
    }
  }
  return false;
}

std::string board_report(const ProgressBoard& board, const BoardReader& reader) {
  const std::int64_t moment = moment_ns(board, reader);
  TextTable table({"rank", "stage", "process", "host", "state", "for", "where"});
  for (int rank = 0; rank < board.ranks(); ++rank) {
    table.add(row_of(board, rank, reader, moment));
  }
  table.add(driver_row(board, reader, moment));
  return fmt::format("{}Started {}{}; ranks at {}:\n{}", cause_text(board, reader),
                     time_text(board.created_wall_ns()), launcher_text(board, reader),
                     time_text(moment), table.text());
}

bool ended_well(const ProgressBoard& board) {
  for (int rank = 0; rank < board.ranks(); ++rank) {
    if (board.slot(rank).view().activity != Activity::ended) {
      return false;
    }
  }
  return !board.failed();
}

}  // namespace stagecraft
