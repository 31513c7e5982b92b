#include "tensor_parallel/comm/nccl/nccl_link.h"

#include <nccl.h>

#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/cuda/runtime/native_stream.h"

namespace stagecraft::nccl {
namespace {

using Clock = std::chrono::steady_clock;

/// How long abort() waits for a call that is being issued. That call may wait for a device whose
/// queue is full; then only the end of the process helps.
constexpr std::chrono::seconds kAbortTimeout{1};
/// How long the destructor waits for the other members' destructors.
constexpr std::chrono::seconds kEndTimeout{5};
/// A lost process may cause an NCCL error here first. How long that error is held back for an abort
/// that names the culprit.
constexpr std::chrono::seconds kCulpritTimeout{3};

ncclDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::float32:
      return ncclFloat32;
    case DType::float64:
      return ncclFloat64;
    case DType::int32:
      return ncclInt32;
    case DType::bfloat16:
      return ncclBfloat16;
  }
  throw Error("nccl", fmt::format("NCCL has no {}", to_string(dtype)));
}

ncclRedOp_t operation_of(ReduceOp op) { return op == ReduceOp::sum ? ncclSum : ncclMax; }

std::size_t count_of(const Tensor& x) { return static_cast<std::size_t>(x.elements()); }

void check_cuda(cudaError_t status) {
  require(status == cudaSuccess, "nccl", "{}: {}", cudaGetErrorName(status),
          cudaGetErrorString(status));
}

void check_plain(ncclResult_t result, std::string_view call) {
  require(result == ncclSuccess, "nccl", "{}: {}, {}", call, ncclGetErrorString(result),
          ncclGetLastError(nullptr));
}

ncclConfig_t config_of(const LinkSetup& setup) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  if (setup.most_blocks > 0) {
    config.minCTAs = 1;
    config.maxCTAs = setup.most_blocks;
  }
  return config;
}

class NcclLink : public Link {
 public:
  explicit NcclLink(const LinkSetup& setup) : setup_(setup) {
    ncclUniqueId id{};
    require(setup.id.size() == sizeof id, "nccl", "an id of {} bytes is not an NCCL id",
            setup.id.size());
    std::memcpy(&id, setup.id.data(), sizeof id);
    check_cuda(cudaSetDevice(setup.device));
    ncclConfig_t config = config_of(setup);
    try {
      issue("joining a group",
            [&] { return ncclCommInitRankConfig(&native_, setup.size, id, setup.rank, &config); });
    } catch (...) {
      abort();
      throw;
    }
  }
  ~NcclLink() override {
    try {
      end();
    } catch (...) {
      abort();
    }
  }
  NcclLink(const NcclLink&) = delete;
  NcclLink& operator=(const NcclLink&) = delete;

  void all_reduce(Stream& stream, const Tensor& x, ReduceOp op) override {
    issue("all_reduce", [&] {
      return ncclAllReduce(x.raw(), x.raw(), count_of(x), type_of(x.dtype()), operation_of(op),
                           native_, cuda::native_stream(stream));
    });
  }
  void all_gather(Stream& stream, const Tensor& part, const Tensor& out) override {
    issue("all_gather", [&] {
      return ncclAllGather(part.raw(), out.raw(), count_of(part), type_of(part.dtype()), native_,
                           cuda::native_stream(stream));
    });
  }
  void reduce_scatter(Stream& stream, const Tensor& x, const Tensor& part) override {
    issue("reduce_scatter", [&] {
      return ncclReduceScatter(x.raw(), part.raw(), count_of(part), type_of(part.dtype()), ncclSum,
                               native_, cuda::native_stream(stream));
    });
  }
  void broadcast(Stream& stream, const Tensor& x, int root) override {
    issue("broadcast", [&] {
      return ncclBroadcast(x.raw(), x.raw(), count_of(x), type_of(x.dtype()), root, native_,
                           cuda::native_stream(stream));
    });
  }
  void exchange(Stream& stream, std::span<const Transfer> transfers) override {
    issue("exchange", [&] {
      ncclResult_t result = ncclGroupStart();
      for (const Transfer& transfer : transfers) {
        if (result == ncclSuccess || result == ncclInProgress) {
          result = add_to_group(stream, transfer);
        }
      }
      const ncclResult_t end = ncclGroupEnd();
      return result == ncclSuccess || result == ncclInProgress ? end : result;
    });
  }

  void abort() noexcept override {
    const std::unique_lock lock(mutex_, kAbortTimeout);
    if (lock.owns_lock() && native_ != nullptr) {
      ncclCommAbort(std::exchange(native_, nullptr));
    }
  }

 private:
  ncclResult_t add_to_group(Stream& stream, const Transfer& transfer) {
    const Tensor& x = transfer.tensor;
    if (x.bytes() == 0) {
      return ncclSuccess;
    }
    const auto bytes = static_cast<std::size_t>(x.bytes());
    return transfer.direction == Transfer::Direction::send
               ? ncclSend(x.raw(), bytes, ncclInt8, transfer.peer, native_,
                          cuda::native_stream(stream))
               : ncclRecv(x.raw(), bytes, ncclInt8, transfer.peer, native_,
                          cuda::native_stream(stream));
  }

  /// Calls f and waits until its operation is enqueued. The first operation waits for the other
  /// members.
  template <typename F>
  void issue(std::string_view call, F&& f) {
    std::unique_lock lock(mutex_);
    // The first call, which joins the group, creates native_.
    if (native_ == nullptr && joined_) {
      throw Error("nccl", fmt::format("{} after an abort", call));
    }
    const ncclResult_t result = f();
    joined_ = true;
    settle(lock, call, result, std::chrono::duration<double>(setup_.deadline_seconds));
  }

  /// Waits until the communicator is no longer in progress. Releases the lock while it waits, so
  /// that abort() can take it.
  void settle(std::unique_lock<std::timed_mutex>& lock, std::string_view call, ncclResult_t result,
              std::chrono::duration<double> patience) {
    const auto begin = Clock::now();
    while (result == ncclInProgress) {
      lock.unlock();
      setup_.check();
      require(Clock::now() - begin < patience, "nccl",
              "{}: {} of {} has waited {:.0f} s for the others", call, setup_.rank, setup_.size,
              patience.count());
      std::this_thread::yield();
      lock.lock();
      require(native_ != nullptr, "nccl", "{} was ended by an abort", call);
      ncclCommGetAsyncError(native_, &result);
    }
    if (result != ncclSuccess) {
      const std::string words = ncclGetLastError(native_);
      lock.unlock();
      await_culprit(result);
      throw Error("nccl", fmt::format("{}: {}: {}", call, ncclGetErrorString(result), words));
    }
  }

  /// A lost process causes a network error here before the failure monitor has named the culprit.
  /// Throws AbortedError if it does so within kCulpritPatience.
  void await_culprit(ncclResult_t result) const {
    if (result != ncclRemoteError && result != ncclSystemError) {
      return;
    }
    for (const auto end = Clock::now() + kCulpritTimeout; Clock::now() < end;) {
      setup_.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  void end() {
    std::unique_lock lock(mutex_);
    if (native_ == nullptr) {
      return;
    }
    settle(lock, "leaving a group", ncclCommFinalize(native_), kEndTimeout);
    ncclCommDestroy(std::exchange(native_, nullptr));
  }

  LinkSetup setup_;
  std::timed_mutex mutex_;
  bool joined_ = false;
  ncclComm_t native_ = nullptr;  // nullptr before joining, after the end and after an abort
};

}  // namespace

std::string library_version() {
  int version = 0;
  check_plain(ncclGetVersion(&version), "ncclGetVersion");
  return fmt::format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

std::string new_unique_id() {
  ncclUniqueId id{};
  check_plain(ncclGetUniqueId(&id), "ncclGetUniqueId");
  return {id.internal, sizeof id.internal};
}

std::unique_ptr<Link> connect_link(const LinkSetup& setup) {
  return std::make_unique<NcclLink>(setup);
}

}  // namespace stagecraft::nccl
