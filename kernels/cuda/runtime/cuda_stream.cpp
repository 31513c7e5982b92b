#include "kernels/cuda/runtime/cuda_stream.h"

#include <nvtx3/nvToolsExt.h>

#include "kernels/base/error.h"
#include "kernels/cuda/runtime/device_scope.h"
#include "kernels/cuda/runtime/status.h"

namespace stagecraft::cuda {
namespace {

NativeEvent& native_of(const Event& event) {
  return *static_cast<NativeEvent*>(event.native.get());
}

auto new_stream(int index) {
  const DeviceScope scope(index);
  return make_handle<cudaStream_t, cudaStreamDestroy>([](cudaStream_t* out) {
    // Non-blocking: the default stream is nobody's, and nobody is to wait for it.
    check(cudaStreamCreateWithFlags(out, cudaStreamNonBlocking), "make_stream");
  });
}

}  // namespace

CudaStream::CudaStream(int index, const StreamOptions& options, const OpTable& ops)
    : index_(index),
      ops_(ops),
      pool_(std::make_shared<DevicePool>(index)),
      memory_(pool_, std::make_shared<MemoryAccount>()),
      native_(new_stream(index)),
      events_(std::make_shared<EventPool>(index, cudaEventDisableTiming)),
      clock_(index),
      matmul_plans_(index, options.tf32),
      cudnn_attention_(index) {}

CudaStream::~CudaStream() { cudaStreamSynchronize(native()); }

void CudaStream::record(Event& event) {
  const DeviceScope scope(index_);
  if (event.native == nullptr || native_of(event).device != index_) {
    event.native = events_->take("Stream::record");
  }
  check(cudaEventRecord(native_of(event).get(), native()), "Stream::record");
}

void CudaStream::wait(const Event& event) {
  if (event.native != nullptr) {
    const DeviceScope scope(index_);
    reach(native_of(event).device);
    check(cudaStreamWaitEvent(native(), native_of(event).get(), 0), "Stream::wait");
  }
}

/// Who waits for another device's stream is about to read its memory: by a direct way, where there
/// is one, else CUDA goes through memory of the host.
void CudaStream::reach(int other) {
  if (other == index_ || !reached_.insert(other).second) {
    return;
  }
  int direct = 0;
  check(cudaDeviceCanAccessPeer(&direct, index_, other), "Stream::wait");
  if (direct != 0 && cudaDeviceEnablePeerAccess(other, 0) != cudaSuccess) {
    cudaGetLastError();  // another stream of this device has opened it
  }
}

void CudaStream::synchronize() {
  count(&StreamUse::full_waits);
  check(cudaStreamSynchronize(native()), "Stream::synchronize");
  clock_.adjust(native());
}

void CudaStream::synchronize(const Event& event) {
  if (event.native == nullptr || cudaEventQuery(native_of(event).get()) == cudaSuccess) {
    return;
  }
  cudaGetLastError();  // "not ready" is no error
  count(&StreamUse::event_waits);
  check(cudaEventSynchronize(native_of(event).get()), "Stream::synchronize");
}

TimeMark CudaStream::mark_time() { return clock_.mark(native()); }

std::int64_t CudaStream::time_of(const TimeMark& mark) { return DeviceClock::time_of(mark); }

StreamUse CudaStream::use() const {
  StreamUse use = use_;
  use.event_waits += staging_.waits();
  use.memory_calls = pool_->device_calls() + staging_.allocations();
  use.held_bytes = pool_->held_bytes();
  return use;
}

void CudaStream::begin_range(const std::string& name) { nvtxRangePushA(name.c_str()); }

void CudaStream::end_range() { nvtxRangePop(); }

}  // namespace stagecraft::cuda
