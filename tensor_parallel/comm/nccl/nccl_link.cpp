#include "tensor_parallel/comm/nccl/nccl_link.h"

#include <nccl.h>

#include <atomic>
#include <chrono>
#include <cstring>
#include <mutex>
#include <thread>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/cuda/runtime/native_stream.h"
#include "tensor_parallel/comm/nccl/call_watch.h"

namespace stagecraft::nccl {
namespace {

using Clock = std::chrono::steady_clock;
using Seconds = std::chrono::duration<double>;

/// How long abort() waits for a call to come back that it has made fail.
constexpr std::chrono::seconds kAbortTimeout{1};
/// How long the destructor waits for the device, and for the other members' destructors.
constexpr Seconds kEndTimeout{5};
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

enum class Calls : int { return_at_once = 0, return_when_enqueued = 1 };

ncclConfig_t config_of(const LinkSetup& setup, Calls calls) {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = static_cast<int>(calls);
  config.splitShare = 1;
  if (setup.most_blocks > 0) {
    config.minCTAs = 1;
    config.maxCTAs = setup.most_blocks;
  }
  return config;
}

/// Calls go to a blocking communicator, `native_`: for every group of calls of a non-blocking one
/// NCCL starts a thread, which takes four times as long as the call. But a blocking call may wait
/// for other members (the first of a kind connects) or for a device whose queue is full, and while
/// a call is inside, its communicator must not be aborted, which frees it. So `native_` is split
/// from a parent that makes no calls. They share their resources and with them the flag that an
/// abort raises: aborting the parent frees the parent alone, and ends the call and the kernels of
/// both. The parent is non-blocking, so joining can be given up too.
class NcclLink : public Link {
 public:
  explicit NcclLink(const LinkSetup& setup) : setup_(setup), watch_([this] { abort(); }) {
    check_cuda(cudaSetDevice(setup.device));
    try {
      join();
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
        if (result == ncclSuccess) {
          result = add_to_group(stream, transfer);
        }
      }
      const ncclResult_t end = ncclGroupEnd();
      return result == ncclSuccess ? end : result;
    });
  }

  void abort() noexcept override {
    aborted_ = true;
    ncclCommAbort(take_parent());
    const std::unique_lock lock(mutex_, kAbortTimeout);
    if (lock.owns_lock()) {
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

  void join() {
    ncclUniqueId id{};
    require(setup_.id.size() == sizeof id, "nccl", "an id of {} bytes is not an NCCL id",
            setup_.id.size());
    std::memcpy(&id, setup_.id.data(), sizeof id);
    constexpr std::string_view kCall = "joining a group";
    const Seconds limit(setup_.deadline_seconds);
    ncclConfig_t config = config_of(setup_, Calls::return_at_once);
    settle(kCall, ncclCommInitRankConfig(&parent_, setup_.size, id, setup_.rank, &config), limit);
    config = config_of(setup_, Calls::return_when_enqueued);
    settle(kCall, ncclCommSplit(parent_, 0, setup_.rank, &native_, &config), limit);
    require(native_ != nullptr, "nccl", "{}: the split gave no communicator", kCall);
  }

  /// Waits until the parent is no longer in progress. `result` is what the call returned: a split
  /// returns success although it goes on, so the parent is always asked.
  void settle(std::string_view call, ncclResult_t result, Seconds limit) const {
    const auto begin = Clock::now();
    if (result == ncclSuccess) {
      ncclCommGetAsyncError(parent_, &result);
    }
    while (result == ncclInProgress) {
      setup_.check();
      require(Clock::now() - begin < limit, "nccl", "{}", waited_for_others(call, limit));
      std::this_thread::yield();
      ncclCommGetAsyncError(parent_, &result);
    }
    if (result != ncclSuccess) {
      fail(call, result, ncclGetLastError(parent_));
    }
  }

  /// Calls f, which enqueues an operation. The first of a kind waits for the other members.
  template <typename F>
  void issue(std::string_view call, F&& f) {
    std::unique_lock lock(mutex_);
    require(!aborted_, "nccl", "{} after an abort", call);
    const ncclResult_t result = [&] {
      const CallWatch::Scope scope(watch_, Seconds(setup_.deadline_seconds));
      return f();
    }();
    if (result != ncclSuccess) {
      const std::string words = ncclGetLastError(native_);
      lock.unlock();  // abort() waits for it
      fail(call, result, words);
    }
  }

  [[noreturn]] void fail(std::string_view call, ncclResult_t result, std::string_view words) const {
    require(!watch_.has_ended_call(), "nccl", "{}",
            waited_for_others(call, Seconds(setup_.deadline_seconds)));
    await_culprit(result);
    throw Error("nccl", fmt::format("{}: {}: {}", call, ncclGetErrorString(result), words));
  }

  std::string waited_for_others(std::string_view call, Seconds limit) const {
    return fmt::format("{}: {} of {} has waited {:.0f} s for the others", call, setup_.rank,
                       setup_.size, limit.count());
  }

  /// A lost process causes a network error here before the failure monitor has named the culprit.
  /// Throws AbortedError if it does so within kCulpritTimeout.
  void await_culprit(ncclResult_t result) const {
    if (result != ncclRemoteError && result != ncclSystemError) {
      return;
    }
    for (const auto end = Clock::now() + kCulpritTimeout; Clock::now() < end;) {
      setup_.check();
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  ncclComm_t take_parent() noexcept {
    const std::lock_guard lock(parent_mutex_);
    return std::exchange(parent_, nullptr);
  }

  /// After an abort both communicators are gone.
  void end() {
    {
      const std::lock_guard lock(mutex_);
      const CallWatch::Scope scope(watch_, kEndTimeout);
      ncclCommDestroy(std::exchange(native_, nullptr));
    }
    {
      const std::lock_guard lock(parent_mutex_);
      if (parent_ != nullptr) {
        settle("leaving a group", ncclCommFinalize(parent_), kEndTimeout);
      }
    }
    ncclCommDestroy(take_parent());
  }

  LinkSetup setup_;
  std::timed_mutex mutex_;       // held by who calls NCCL with native_
  ncclComm_t native_ = nullptr;  // nullptr before joining, after the end and after an abort
  std::mutex parent_mutex_;      // held by who ends parent_
  ncclComm_t parent_ = nullptr;  // the same
  std::atomic<bool> aborted_{false};
  CallWatch watch_;  // last: its thread ends first
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
