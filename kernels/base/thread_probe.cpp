#include "kernels/base/thread_probe.h"

#include <pthread.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <mutex>
#include <vector>

namespace stagecraft {
namespace {

class Probe {
 public:
  explicit Probe(ThreadProbe kind) : kind_(kind) { ::pthread_attr_init(&attributes_); }
  ~Probe() { ::pthread_attr_destroy(&attributes_); }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  int granted(int count) {
    if (kind_ == ThreadProbe::number) {
      constexpr std::size_t kSmallStack = std::size_t{64} << 10;
      ::pthread_attr_setstacksize(&attributes_,
                                  std::max<std::size_t>(PTHREAD_STACK_MIN, kSmallStack));
    }
    std::vector<pthread_t> threads;
    threads.reserve(static_cast<std::size_t>(count));
    {
      const std::lock_guard hold(all_are_made_);
      pthread_t thread{};
      while (static_cast<int>(threads.size()) < count &&
             ::pthread_create(&thread, &attributes_, &Probe::exist, this) == 0) {
        threads.push_back(thread);
      }
    }
    for (const pthread_t thread : threads) {
      ::pthread_join(thread, nullptr);
    }
    return static_cast<int>(threads.size());
  }

 private:
  static void* exist(void* probe) {
    auto& self = *static_cast<Probe*>(probe);
    if (self.kind_ == ThreadProbe::whole) {
      void* volatile piece = std::malloc(1);  // takes the address space of the thread's arena
      std::free(piece);
    }
    const std::lock_guard wait(self.all_are_made_);
    return nullptr;
  }

  ThreadProbe kind_;
  pthread_attr_t attributes_{};
  std::mutex all_are_made_;
};

}  // namespace

int granted_threads(int count, ThreadProbe probe) { return Probe(probe).granted(count); }

}  // namespace stagecraft
