#include "kernels/cpu/runtime/cpu_stream.h"

#include <sys/mman.h>

#include <cstdlib>
#include <mutex>

#include "kernels/base/error.h"
#include "kernels/base/span.h"
#include "kernels/core/free_list.h"
#include "kernels/cpu/runtime/parallel.h"

namespace stagecraft::cpu {
namespace {

constexpr std::int64_t kAlignment = 64;
constexpr std::int64_t kHugePage = 2 << 20;

/// Memory of the host, returned to the system when the pool ends.
class HostPool : public MemoryPool {
 public:
  HostPool() = default;
  ~HostPool() override {
    for (const FreeList::Segment& segment : free_.segments()) {
      std::free(segment.data);
    }
  }
  HostPool(const HostPool&) = delete;
  HostPool& operator=(const HostPool&) = delete;

  void* take(std::int64_t bytes) override {
    const std::int64_t size = free_.rounded(bytes);
    const std::lock_guard lock(mutex_);
    void* const piece = free_.take(size);
    return piece != nullptr ? piece : fresh(size);
  }

  void give_back(void* data, std::int64_t bytes) noexcept override {
    const std::lock_guard lock(mutex_);
    free_.give_back(data, free_.rounded(bytes));
  }

 private:
  void* fresh(std::int64_t size) {
    // Large pieces on huge pages: GEMM and AdamW walk hundreds of megabytes.
    const bool large = size >= kHugePage;
    const std::int64_t alignment = large ? kHugePage : kAlignment;
    const std::int64_t padded = (size + alignment - 1) / alignment * alignment;
    void* data = std::aligned_alloc(static_cast<std::size_t>(alignment),
                                    static_cast<std::size_t>(large ? padded : size));
    if (data == nullptr) {
      if (void* const piece = free_.take_cut(size)) {
        return piece;
      }
    }
    require(data != nullptr, "HostPool::take", "the host has no {} bytes of memory left", size);
    if (large) {
      madvise(data, static_cast<std::size_t>(padded), MADV_HUGEPAGE);
    }
    free_.add({data, size});
    return data;
  }

  std::mutex mutex_;
  FreeList free_{kAlignment};
};

class CpuStream : public Stream {
 public:
  CpuStream(int threads, const OpTable& ops)
      : threads_(threads),
        ops_(ops),
        memory_(std::make_shared<HostPool>(), std::make_shared<MemoryAccount>()) {}
  Device device() const override { return {DeviceKind::cpu, 0}; }
  MemoryResource& memory() override { return memory_; }
  const OpTable& ops() const override { return ops_; }
  void record(Event& /*event*/) override {}
  void wait(const Event& /*event*/) override {}
  void synchronize() override {}
  void synchronize(const Event& /*event*/) override {}
  TimeMark mark_time() override { return {.issued_ns = now_ns()}; }
  std::int64_t time_of(const TimeMark& mark) override { return mark.issued_ns; }
  StreamUse use() const override { return {}; }
  void begin_range(const std::string& /*name*/) override {}
  void end_range() override {}
  int threads() const { return threads_; }

 private:
  int threads_;
  const OpTable& ops_;
  MemoryResource memory_;
};

}  // namespace

std::unique_ptr<Stream> make_cpu_stream(int threads, const OpTable& ops) {
  require(threads >= 1, "make_cpu_stream", "{} threads cannot compute", threads);
  return std::make_unique<CpuStream>(threads, ops);
}

int threads_of(Stream& stream) { return static_cast<CpuStream&>(stream).threads(); }

}  // namespace stagecraft::cpu
