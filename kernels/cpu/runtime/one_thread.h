// Keeps oneDNN to the calling thread.
#pragma once

#include <omp.h>

namespace stagecraft::cpu {

/// oneDNN divides its work, K included, over the threads of the calling thread's next parallel
/// region; this makes that one, also where the caller is the only thread.
class OneThread {
 public:
  OneThread() : before_(omp_get_max_threads()) { omp_set_num_threads(1); }
  ~OneThread() { omp_set_num_threads(before_); }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int before_;
};

}  // namespace stagecraft::cpu
