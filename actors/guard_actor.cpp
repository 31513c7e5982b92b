#include "actors/guard_actor.h"

#include <fmt/core.h>

#include <algorithm>
#include <caf/all.hpp>
#include <vector>

#include "kernels/base/span.h"

namespace stagecraft {
namespace {

/// Looks at a watchdog's limit four times, but no less often than four times a second.
std::chrono::milliseconds tick_of(double watchdog_seconds) {
  return std::chrono::milliseconds(
      std::max<std::int64_t>(10, static_cast<std::int64_t>(250 * std::min(1.0, watchdog_seconds))));
}

std::string place_text(const MeshShape& mesh, int rank) {
  return fmt::format("stage {}, rank {}", place_of(mesh, rank).pipeline, rank);
}

bool waits(Activity activity) {
  return activity == Activity::waiting || activity == Activity::communicating;
}

/// "stage 0, rank 0: step 3, waiting in 0RG1 for 31.0 s; ..."
std::string everybody(const std::vector<ProgressSlot::View>& views, const MeshShape& mesh,
                      std::int64_t now) {
  std::string text;
  for (std::size_t rank = 0; rank < views.size(); ++rank) {
    text += fmt::format("{}{}: {}", text.empty() ? "" : "; ",
                        place_text(mesh, static_cast<int>(rank)), to_string(views[rank], now));
  }
  return text;
}

void report_failure(GuardActor::stateful_pointer<GuardState> self, const GuardSetup& setup,
                    const DriverActor& driver, const std::string& text) {
  if (std::exchange(self->state.failed, true)) {
    return;
  }
  setup.abort(text);
  self->send(driver, RunFailed{text});
}

}  // namespace

std::string find_culprit(ProgressBoard& board, const MeshShape& mesh, double watchdog_seconds,
                         std::int64_t now) {
  const auto limit = static_cast<std::int64_t>(watchdog_seconds * 1e9);
  std::vector<ProgressSlot::View> views;
  for (int rank = 0; rank < board.ranks(); ++rank) {
    views.push_back(board.slot(rank).view());
    const ProgressSlot::View& view = views.back();
    if (view.activity == Activity::running && now - view.since_ns > limit) {
      return fmt::format(
          "{}, step {}, instruction {}: has not returned for {:.1f} s "
          "(run.watchdog_seconds = {})",
          place_text(mesh, rank), view.step, to_string(view.instruction),
          static_cast<double>(now - view.since_ns) * 1e-9, watchdog_seconds);
    }
  }
  const auto stuck = [&](const ProgressSlot::View& view) {
    return (waits(view.activity) || view.activity == Activity::idle) && now - view.since_ns > limit;
  };
  const bool somebody_waits = std::any_of(views.begin(), views.end(), [](const auto& view) {
    return waits(view.activity) && view.instruction.op != Op::optimizer;
  });
  if (somebody_waits && std::all_of(views.begin(), views.end(), stuck)) {
    return fmt::format("nobody has moved for {} s (run.watchdog_seconds): {}", watchdog_seconds,
                       everybody(views, mesh, now));
  }
  return "";
}

GuardActor::behavior_type guard_actor(GuardActor::stateful_pointer<GuardState> self,
                                      const std::shared_ptr<GuardSetup>& setup,
                                      const DriverActor& driver) {
  const auto tick = tick_of(setup->watchdog_seconds);
  self->delayed_send(self, tick, TickAtom::value);
  return {
      [=](const StageFailed& m) {
        if (!m.aborted) {
          report_failure(self, *setup, driver, m.text);
        }
      },
      [=](TickAtom) {
        const std::string culprit =
            find_culprit(*setup->board, setup->mesh, setup->watchdog_seconds, now_ns());
        if (!culprit.empty()) {
          report_failure(self, *setup, driver, culprit);
        }
        self->delayed_send(self, tick, TickAtom::value);
      },
      [=](const Finish&) { self->quit(); },
  };
}

}  // namespace stagecraft
