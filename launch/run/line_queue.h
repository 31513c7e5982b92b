// Lines for a terminal or a file, written by a thread of their own, so that a reader who is slow or
// stopped (Ctrl-S) delays nobody.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <string>

#include "launch/run/work_queue.h"

namespace stagecraft {

class LineQueue {
 public:
  enum class Kind : std::uint8_t {
    line,  // is kept
    live,  // the latest state: a later live line replaces it while it is not written
    end    // nothing follows the live line that is shown; no text
  };
  enum class WhenFull : std::uint8_t {
    drop,  // the live line first, then the oldest line
    wait   // the caller waits
  };
  /// Writes one line, in the queue's thread. May block. If it throws, nothing more is written.
  using Write = std::function<void(Kind kind, const std::string& text)>;

  /// The destructor waits until all lines are written.
  LineQueue(std::size_t capacity, WhenFull when_full, Write write);

  /// Throws what `write` has thrown.
  void add(Kind kind, std::string text = {});
  /// Waits until all lines are written. Throws what `write` has thrown.
  void flush();
  /// How many kept lines were dropped.
  std::size_t dropped() const;

 private:
  struct Item {
    Kind kind;
    std::string text;
  };
  void write_first();
  void make_room(std::unique_lock<std::mutex>& lock);
  void drop_live_line();
  void rethrow() const;

  const std::size_t capacity_;
  const WhenFull when_full_;
  const Write write_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;
  std::size_t dropped_ = 0;
  std::exception_ptr error_;
  std::size_t ordered_ = 0;  // calls of write_first() that work_ has not begun: items_ or more
  WorkQueue work_;           // ends first
};

}  // namespace stagecraft
