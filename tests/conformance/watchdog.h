// Ends a test that hangs, and prints what each member was doing.
#pragma once

#include <fmt/core.h>

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>

namespace stagecraft::test {

#ifdef __SANITIZE_THREAD__
inline constexpr int kSlower = 4;
#else
inline constexpr int kSlower = 1;
#endif

/// Unless it is destroyed within `limit`, prints the last action of every member and aborts the
/// process. With the thread sanitizer the limit is kSlower times as long.
class Watchdog {
 public:
  /// `grace`: time for other processes to print theirs before this process's end kills them.
  Watchdog(std::string test, std::chrono::seconds limit,
           std::chrono::seconds grace = std::chrono::seconds(0))
      : test_(std::move(test)),
        limit_(kSlower * limit),
        grace_(grace),
        thread_([this] { watch(); }) {}
  ~Watchdog() {
    {
      const std::lock_guard lock(mutex_);
      over_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// Sets the current action of `member`. Safe from any thread.
  void doing(int member, std::string what) {
    const std::lock_guard lock(mutex_);
    doing_[member] = std::move(what);
  }

 private:
  void watch() {
    std::unique_lock lock(mutex_);
    const auto deadline = std::chrono::steady_clock::now() + limit_;
    if (changed_.wait_until(lock, deadline, [&] { return over_; })) {
      return;
    }
    fmt::print(stderr, "{} hangs after {} s:\n", test_, limit_.count());
    for (const auto& [member, what] : doing_) {
      fmt::print(stderr, "  member {}: {}\n", member, what);
    }
    std::this_thread::sleep_for(grace_);
    std::abort();
  }

  std::string test_;
  std::chrono::seconds limit_;
  std::chrono::seconds grace_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<int, std::string> doing_;
  bool over_ = false;
  std::thread thread_;  // last: it starts when all other members are initialised
};

}  // namespace stagecraft::test
