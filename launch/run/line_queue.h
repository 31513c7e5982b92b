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
#include <thread>

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

  LineQueue(std::size_t capacity, WhenFull when_full, Write write);
  /// Waits until all lines are written.
  ~LineQueue();
  LineQueue(const LineQueue&) = delete;
  LineQueue& operator=(const LineQueue&) = delete;

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
  void run();
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
  bool writing_ = false;
  bool stopped_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace stagecraft
