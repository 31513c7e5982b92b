#include "actors/guard_actor.h"

#include <fmt/format.h>

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

std::string rank_text(const MeshShape& mesh, int rank) {
  return fmt::format("stage {}, rank {}", place_of(mesh, rank).pipeline, rank);
}

bool waits(Activity activity) {
  return activity == Activity::waiting || activity == Activity::communicating;
}

/// "stage 0, rank 0, step 3, instruction 0RG1: waits for the gradient of micro-batch 1 from stage
/// 1; ..."
std::string everybody(const GuardSetup& setup, const std::vector<ProgressSlot::View>& views) {
  std::vector<std::string> texts;
  for (std::size_t rank = 0; rank < views.size(); ++rank) {
    const ProgressSlot::View& view = views[rank];
    const std::string where =
        rank_text(setup.mesh, static_cast<int>(rank)) + ", " + place_text(view);
    texts.push_back(waits(view.activity)
                        ? fmt::format("{}: waits for {}", where,
                                      awaited(view.instruction, setup.stage_of_chunk))
                        : where);
  }
  return fmt::format("{}", fmt::join(texts, "; "));
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

std::string find_culprit(const GuardSetup& setup, std::int64_t now) {
  const auto limit = static_cast<std::int64_t>(setup.watchdog_seconds * 1e9);
  std::vector<ProgressSlot::View> views;
  for (int rank = 0; rank < setup.board->ranks(); ++rank) {
    views.push_back(setup.board->slot(rank).view());
    const ProgressSlot::View& view = views.back();
    if (works(view.activity) && now - view.since_ns > limit) {
      return fmt::format("{}, {}: has not returned for {:.1f} s (run.watchdog_seconds = {})",
                         rank_text(setup.mesh, rank), place_text(view),
                         static_cast<double>(now - view.since_ns) * 1e-9, setup.watchdog_seconds);
    }
  }
  const auto stuck = [&](const ProgressSlot::View& view) {
    return (waits(view.activity) || view.activity == Activity::idle) && now - view.since_ns > limit;
  };
  const bool somebody_waits = std::any_of(views.begin(), views.end(), [](const auto& view) {
    return waits(view.activity) && view.instruction.op != Op::optimizer;
  });
  if (somebody_waits && std::all_of(views.begin(), views.end(), stuck)) {
    return fmt::format("nobody has moved for {} s (run.watchdog_seconds): {}",
                       setup.watchdog_seconds, everybody(setup, views));
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
        const std::string culprit = find_culprit(*setup, now_ns());
        if (!culprit.empty()) {
          report_failure(self, *setup, driver, culprit);
        }
        self->delayed_send(self, tick, TickAtom::value);
      },
      [=](const Finish&) { self->quit(); },
  };
}

}  // namespace stagecraft
