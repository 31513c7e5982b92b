#include "kernels/cuda/runtime/device_pool.h"

#include "kernels/base/error.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {
namespace {

constexpr std::int64_t kAlignment = 256;  // what cudaMalloc gives, and cublasLt likes

}  // namespace

DevicePool::DevicePool(int device) : device_(device), free_(kAlignment) {}

DevicePool::~DevicePool() {
  const std::lock_guard lock(mutex_);
  release(free_.segments());
}

void* DevicePool::take(std::int64_t bytes) {
  const std::int64_t size = free_.rounded(bytes);
  const std::lock_guard lock(mutex_);
  void* const piece = free_.take(size);
  return piece != nullptr ? piece : fresh(size);
}

void DevicePool::give_back(void* data, std::int64_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  free_.give_back(data, free_.rounded(bytes));
}

std::int64_t DevicePool::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return held_bytes_;
}

std::int64_t DevicePool::device_calls() const {
  const std::lock_guard lock(mutex_);
  return device_calls_;
}

void* DevicePool::fresh(std::int64_t size) {
  const DeviceScope scope(device_);
  void* data = nullptr;
  const auto allocate = [&] {
    ++device_calls_;
    return cudaMalloc(&data, static_cast<std::size_t>(size));
  };
  cudaError_t status = allocate();
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    if (void* const piece = free_.take_cut(size)) {
      return piece;
    }
    release(free_.take_unused_segments());
    status = allocate();
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    report_full(size);
  }
  check(status, "DevicePool::take");
  held_bytes_ += size;
  free_.add({data, size});
  return data;
}

/// cudaFree waits for the device, so no piece goes while it is in use there.
void DevicePool::release(const std::vector<FreeList::Segment>& segments) noexcept {
  for (const FreeList::Segment& segment : segments) {
    ++device_calls_;
    cudaFree(segment.data);
    held_bytes_ -= segment.bytes;
  }
}

void DevicePool::report_full(std::int64_t size) const {
  std::size_t left = 0;
  std::size_t all = 0;
  cudaMemGetInfo(&left, &all);
  throw Error(
      "DevicePool::take",
      fmt::format("cuda:{} has no {} bytes in one piece left: this stream holds {}, and {} of "
                  "the device's {} are free; smaller micro-batches, or a model that is split "
                  "further, need less",
                  device_, size, held_bytes_, left, all));
}

}  // namespace stagecraft::cuda
