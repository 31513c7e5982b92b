#include "actors/driver/event_queue.h"

#include <algorithm>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {

void EventQueue::add(Event event) {
  places_.push_back({0, std::move(event)});
  show_ready();
}

void EventQueue::reserve(std::int64_t step) { places_.push_back({step, {}}); }

void EventQueue::set(std::int64_t step, Event event) {
  const auto place = std::find_if(places_.begin(), places_.end(), [&](const Place& candidate) {
    return !candidate.event && candidate.step == step;
  });
  require(place != places_.end(), "EventQueue", "no event of step {} is awaited", step);
  place->event = std::move(event);
  show_ready();
}

void EventQueue::show_ready() {
  while (!places_.empty() && places_.front().event) {
    const Event event = std::move(*places_.front().event);
    places_.pop_front();
    show_(event);
  }
}

}  // namespace stagecraft
