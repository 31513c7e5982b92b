// A CUDA stream with what its operations keep from call to call.
#pragma once

#include <set>

#include "kernels/core/stream.h"
#include "kernels/cuda/runtime/cudnn_attention.h"
#include "kernels/cuda/runtime/device_clock.h"
#include "kernels/cuda/runtime/device_pool.h"
#include "kernels/cuda/runtime/event_pool.h"
#include "kernels/cuda/runtime/handle.h"
#include "kernels/cuda/runtime/matmul_plan.h"
#include "kernels/cuda/runtime/native_stream.h"
#include "kernels/cuda/runtime/pinned_staging.h"

namespace stagecraft::cuda {

class CudaStream : public Stream {
 public:
  /// `ops` are the operations of this backend.
  CudaStream(int index, const StreamOptions& options, const OpTable& ops);
  /// Waits for what was issued.
  ~CudaStream() override;
  CudaStream(const CudaStream&) = delete;
  CudaStream& operator=(const CudaStream&) = delete;

  Device device() const override { return {DeviceKind::cuda, index_}; }
  MemoryResource& memory() override { return memory_; }
  const OpTable& ops() const override { return ops_; }
  void* native_handle() const override { return native(); }
  void record(Event& event) override;
  void wait(const Event& event) override;
  void synchronize() override;
  void synchronize(const Event& event) override;
  TimeMark mark_time() override;
  std::int64_t time_of(const TimeMark& mark) override;
  StreamUse use() const override;
  /// For operations that take one of several ways.
  void count(std::int64_t StreamUse::*what) { ++(use_.*what); }
  void begin_range(const std::string& name) override;
  void end_range() override;

  cudaStream_t native() const { return native_.get(); }
  MatmulPlans& matmul_plans() { return matmul_plans_; }
  CudnnAttention& cudnn_attention() { return cudnn_attention_; }
  PinnedStaging& staging() { return staging_; }

 private:
  void reach(int other);

  int index_;
  const OpTable& ops_;
  std::shared_ptr<DevicePool> pool_;
  MemoryResource memory_;
  Handle<cudaStream_t, cudaStreamDestroy> native_;
  std::shared_ptr<EventPool> events_;
  DeviceClock clock_;
  MatmulPlans matmul_plans_;
  CudnnAttention cudnn_attention_;
  PinnedStaging staging_;
  std::set<int> reached_;  // devices
  StreamUse use_;          // what is counted here; pool and staging count for themselves
};

/// `stream` belongs to this backend: its table of operations is this one's.
inline CudaStream& on_cuda(Stream& stream) { return static_cast<CudaStream&>(stream); }

}  // namespace stagecraft::cuda
