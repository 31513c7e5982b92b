// Back-off for polling.
#pragma once

#include <sched.h>

#include <chrono>
#include <thread>

namespace stagecraft::mpi {

/// Yields the core after every poll that found nothing; after kYields of them in a row, sleeps for
/// kNap.
class Backoff {
 public:
  void progressed() { idle_ = 0; }
  void missed() { idle_ = patient() ? idle_ + 1 : idle_; }
  bool patient() const { return idle_ < kYields; }
  void rest() {
    missed();
    if (patient()) {
      ::sched_yield();
    } else {
      std::this_thread::sleep_for(kNap);
    }
  }
  static constexpr std::chrono::microseconds kNap{50};

 private:
  static constexpr int kYields = 1000;
  int idle_ = 0;
};

}  // namespace stagecraft::mpi
