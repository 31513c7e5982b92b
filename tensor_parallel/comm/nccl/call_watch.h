// Ends a call into a library that holds its thread for too long.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

namespace stagecraft::nccl {

/// A thread that watches the calls of another thread, one at a time. It sleeps nearly always; a
/// call pays for two stores. It counts its own looks, not the clock: time in which the process was
/// suspended is no time of the call.
class CallWatch {
 public:
  /// `end_call` makes a call that does not return do so. The first call that lasts too long is
  /// ended, from the watch's thread; later ones are not watched.
  explicit CallWatch(std::function<void()> end_call);
  ~CallWatch();
  CallWatch(const CallWatch&) = delete;
  CallWatch& operator=(const CallWatch&) = delete;

  /// Watches what is done while it lives.
  class Scope {
   public:
    Scope(CallWatch& watch, std::chrono::duration<double> limit);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    CallWatch& watch_;
  };

  /// Whether a call has been ended.
  bool has_ended_call() const { return has_ended_call_; }

 private:
  void watch();

  std::function<void()> end_call_;
  std::atomic<std::int64_t> looks_left_;  // of the call under way
  std::atomic<bool> has_ended_call_{false};
  std::mutex mutex_;
  std::condition_variable changed_;
  bool leaving_ = false;
  std::thread thread_;  // last: it starts when all other members are initialised
};

}  // namespace stagecraft::nccl
