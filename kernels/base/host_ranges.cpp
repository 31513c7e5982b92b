#include "kernels/base/host_ranges.h"

#include <algorithm>
#include <atomic>
#include <future>
#include <vector>

namespace stagecraft {

void for_each_host_range(std::int64_t count, std::int64_t block, int threads,
                         const std::function<void(std::int64_t begin, std::int64_t end)>& f) {
  const std::int64_t ranges = (count + block - 1) / block;
  std::atomic<std::int64_t> next = 0;
  const auto work = [&] {
    for (std::int64_t range = next++; range < ranges; range = next++) {
      f(range * block, std::min(count, (range + 1) * block));
    }
  };
  // What std::async returns waits for its thread when it goes, also when work() throws here.
  std::vector<std::future<void>> others;
  for (int thread = 1; thread < std::min<std::int64_t>(threads, ranges); ++thread) {
    others.push_back(std::async(std::launch::async, work));
  }
  work();
  for (std::future<void>& other : others) {
    other.get();
  }
}

}  // namespace stagecraft
