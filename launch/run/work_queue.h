// Work that is done in order by a thread of its own, so that a slow disk delays nobody.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace stagecraft {

class WorkQueue {
 public:
  WorkQueue();
  /// Waits until all work is done.
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;
  WorkQueue& operator=(const WorkQueue&) = delete;

  /// Returns at once. `work` must not throw.
  void add(std::function<void()> work);
  /// Waits until all work is done.
  void finish();

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> work_;
  bool working_ = false;
  bool stopped_ = false;
  std::thread thread_;
};

}  // namespace stagecraft
