// The events of a run in the order in which its observers see them. An event may wait for what
// ranks have still to say; those behind it wait with it.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "actors/protocol/run_report.h"

namespace stagecraft {

class EventQueue {
 public:
  using Event = std::function<void(RunObserver&)>;
  /// Shows an event to all observers.
  using Show = std::function<void(const Event&)>;

  explicit EventQueue(Show show) : show_(std::move(show)) {}
  void add(Event event);
  /// Keeps a place for the event that set() gives.
  void reserve(std::int64_t step);
  void set(std::int64_t step, Event event);
  bool empty() const { return places_.empty(); }

 private:
  struct Place {
    std::int64_t step = 0;
    std::optional<Event> event;
  };
  void show_ready();

  Show show_;
  std::deque<Place> places_;
};

}  // namespace stagecraft
