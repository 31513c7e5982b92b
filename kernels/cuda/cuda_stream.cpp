#include "kernels/cuda/cuda_stream.h"

#include "kernels/base/error.h"
#include "kernels/cuda/device_pool.h"
#include "kernels/cuda/device_scope.h"
#include "kernels/cuda/status.h"

namespace stagecraft::cuda {
namespace {

using EventHandle = Handle<cudaEvent_t, cudaEventDestroy>;

/// What Event::native holds.
struct NativeEvent {
  explicit NativeEvent(int on_device) : device(on_device) {
    event = make_handle<cudaEvent_t, cudaEventDestroy>([](cudaEvent_t* out) {
      check(cudaEventCreateWithFlags(out, cudaEventDisableTiming), "Stream::record");
    });
  }
  int device;
  EventHandle event;
};

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

CudaStream::CudaStream(int index, const StreamOptions& options)
    : index_(index),
      memory_(std::make_shared<DevicePool>(index), std::make_shared<MemoryAccount>()),
      native_(new_stream(index)),
      matmul_plans_(index, options.tf32) {}

CudaStream::~CudaStream() { cudaStreamSynchronize(native()); }

const OpTable& CudaStream::ops() const { return op_table(); }

void CudaStream::record(Event& event) {
  const DeviceScope scope(index_);
  if (event.native == nullptr || native_of(event).device != index_) {
    event.native = std::make_shared<NativeEvent>(index_);
  }
  check(cudaEventRecord(native_of(event).event.get(), native()), "Stream::record");
}

void CudaStream::wait(const Event& event) {
  if (event.native != nullptr) {
    const DeviceScope scope(index_);
    check(cudaStreamWaitEvent(native(), native_of(event).event.get(), 0), "Stream::wait");
  }
}

void CudaStream::synchronize() { check(cudaStreamSynchronize(native()), "Stream::synchronize"); }

std::unique_ptr<Stream> make_stream_on(int index, const StreamOptions& options) {
  const DeviceCensus census = count_devices();
  require(index >= 0 && index < census.count, "make_stream", "cuda:{} cannot be used: {}", index,
          census.count == 0 ? census.why_none
                            : fmt::format("this host has devices 0 .. {}", census.count - 1));
  return std::make_unique<CudaStream>(index, options);
}

}  // namespace stagecraft::cuda
