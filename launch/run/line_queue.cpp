#include "launch/run/line_queue.h"

#include <algorithm>
#include <utility>

namespace stagecraft {

LineQueue::LineQueue(std::size_t capacity, WhenFull when_full, Write write)
    : capacity_(capacity), when_full_(when_full), write_(std::move(write)) {}

void LineQueue::add(Kind kind, std::string text) {
  std::unique_lock lock(mutex_);
  rethrow();
  if (kind == Kind::live) {
    drop_live_line();
  }
  make_room(lock);
  items_.push_back({kind, std::move(text)});
  if (ordered_ < items_.size()) {  // a dropped line leaves its order to the next one
    ++ordered_;
    work_.add([this] { write_first(); });
  }
}

void LineQueue::flush() {
  work_.finish();
  const std::lock_guard lock(mutex_);
  rethrow();
}

std::size_t LineQueue::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

void LineQueue::make_room(std::unique_lock<std::mutex>& lock) {
  if (when_full_ == WhenFull::wait) {
    changed_.wait(lock, [this] { return error_ || items_.size() < capacity_; });
    rethrow();
    return;
  }
  if (items_.size() >= capacity_) {
    drop_live_line();
  }
  while (items_.size() >= capacity_) {
    items_.pop_front();
    ++dropped_;
  }
}

void LineQueue::drop_live_line() {
  std::erase_if(items_, [](const Item& item) { return item.kind == Kind::live; });
}

void LineQueue::rethrow() const {
  if (error_) {
    std::rethrow_exception(error_);
  }
}

void LineQueue::write_first() {
  std::unique_lock lock(mutex_);
  --ordered_;
  if (items_.empty() || error_) {
    return;
  }
  const Item item = std::move(items_.front());
  items_.pop_front();
  changed_.notify_all();
  lock.unlock();
  try {
    write_(item.kind, item.text);
  } catch (...) {
    lock.lock();
    error_ = std::current_exception();
    changed_.notify_all();
  }
}

}  // namespace stagecraft
