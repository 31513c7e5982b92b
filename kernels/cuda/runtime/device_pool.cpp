#include "kernels/cuda/runtime/device_pool.h"

#include <algorithm>

#include "kernels/base/error.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {
namespace {

constexpr std::int64_t kAlignment = 256;  // what cudaMalloc gives, and cublasLt likes

std::int64_t rounded(std::int64_t bytes) {
  return std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

}  // namespace

DevicePool::~DevicePool() {
  const std::lock_guard lock(mutex_);
  release_free();
}

void* DevicePool::take(std::int64_t bytes) {
  const std::int64_t size = rounded(bytes);
  const std::lock_guard lock(mutex_);
  void* const piece = reused(size);
  return piece != nullptr ? piece : fresh(size);
}

void DevicePool::give_back(void* data, std::int64_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  try {
    free_[rounded(bytes)].push_back(data);
  } catch (...) {
    cudaFree(data);  // no memory to remember it by
  }
}

std::int64_t DevicePool::held_bytes() const {
  const std::lock_guard lock(mutex_);
  return held_bytes_;
}

std::int64_t DevicePool::device_calls() const {
  const std::lock_guard lock(mutex_);
  return device_calls_;
}

void* DevicePool::reused(std::int64_t size) {
  const auto found = free_.find(size);
  if (found == free_.end() || found->second.empty()) {
    return nullptr;
  }
  void* const piece = found->second.back();
  found->second.pop_back();
  return piece;
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
    release_free();
    status = allocate();
  }
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    report_full(size);
  }
  check(status, "DevicePool::take");
  held_bytes_ += size;
  return data;
}

/// cudaFree waits for the device, so no piece goes that is still worked on.
void DevicePool::release_free() noexcept {
  for (auto& [size, pieces] : free_) {
    for (void* piece : pieces) {
      ++device_calls_;
      cudaFree(piece);
      held_bytes_ -= size;
    }
    pieces.clear();
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
