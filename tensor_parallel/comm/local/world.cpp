#include "tensor_parallel/comm/local/world.h"

namespace stagecraft::local {

void World::watch(const std::shared_ptr<Waitable>& place) {
  const std::lock_guard lock(mutex_);
  std::erase_if(places_, [](const auto& old) { return old.expired(); });
  places_.push_back(place);
}

void World::abort(std::string_view culprit) noexcept {
  flag_.raise(culprit);
  // A Waitable that is added later checks the flag before it waits.
  const std::lock_guard lock(mutex_);
  for (const auto& watched : places_) {
    if (const auto place = watched.lock()) {
      place->wake();
    }
  }
}

}  // namespace stagecraft::local
