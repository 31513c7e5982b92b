// Measures communication between processes with one GPU each: the host's time for a call beside its
// limit, this program's all-reduces against direct NCCL calls, and the exposed time of an
// all-reduce beside a matrix product, by stream and blocks:
//   mpirun -np 2 [options as in tests/CMakeLists.txt] bench_nccl [--share-gpu]
// --share-gpu: the processes may share GPUs. Then NCCL goes through sockets, which says nothing of
// the time of its work, so only the host's time is measured.
#include <cuda_runtime_api.h>
#include <fmt/core.h>
#include <nccl.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <numeric>
#include <string>

#include "benchmarks/measure.h"
#include "kernels/backends/host_devices.h"
#include "kernels/backends/make_stream.h"
#include "kernels/core/device_report.h"
#include "kernels/cuda/runtime/native_stream.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/matmul.h"
#include "launch/setup/gpu_environment.h"
#include "launch/setup/mpi_environment.h"
#include "tensor_parallel/comm/mpi/session.h"
#include "tensor_parallel/comm/nccl/nccl_communicator.h"
#include "tensor_parallel/comm/nccl/open_module.h"

namespace {

using namespace stagecraft;

constexpr int kCalls = 20;  // between two clock readings
constexpr double kHostLimitUs = 20;

void check(ncclResult_t result) {
  if (result != ncclSuccess) {
    throw Error("nccl", ncclGetErrorString(result));
  }
}

void check(cudaError_t status) {
  if (status != cudaSuccess) {
    throw Error("cuda", cudaGetErrorString(status));
  }
}

/// A blocking communicator, as most programs use it. `most_blocks`: 0: NCCL decides.
class BareNccl {
 public:
  explicit BareNccl(MpiSession& session, int most_blocks = 0) {
    ncclUniqueId id{};
    if (session.rank() == 0) {
      check(ncclGetUniqueId(&id));
    }
    const std::string text(id.internal, sizeof id.internal);
    session.exchange(text).front().copy(id.internal, sizeof id.internal);
    ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
    if (most_blocks > 0) {
      config.minCTAs = 1;
      config.maxCTAs = most_blocks;
    }
    check(ncclCommInitRankConfig(&native_, session.size(), id, session.rank(), &config));
  }
  ~BareNccl() { ncclCommDestroy(native_); }
  BareNccl(const BareNccl&) = delete;
  BareNccl& operator=(const BareNccl&) = delete;

  void all_reduce(cudaStream_t stream, const Tensor& x) {
    check(ncclAllReduce(x.raw(), x.raw(), static_cast<std::size_t>(x.elements()), ncclFloat32,
                        ncclSum, native_, stream));
  }

 private:
  ncclComm_t native_ = nullptr;
};

/// A second stream, which forks from another stream and joins it again.
class SideStream {
 public:
  explicit SideStream(bool urgent) {
    int least = 0;
    int greatest = 0;
    check(cudaDeviceGetStreamPriorityRange(&least, &greatest));
    check(cudaStreamCreateWithPriority(&native_, cudaStreamNonBlocking, urgent ? greatest : least));
    for (cudaEvent_t* event : {&forked_, &ready_, &done_}) {
      check(cudaEventCreateWithFlags(event, cudaEventDisableTiming));
    }
  }
  ~SideStream() {
    for (const cudaEvent_t event : {forked_, ready_, done_}) {
      cudaEventDestroy(event);
    }
    cudaStreamDestroy(native_);
  }
  SideStream(const SideStream&) = delete;
  SideStream& operator=(const SideStream&) = delete;

  cudaStream_t fork(cudaStream_t from) {
    check(cudaEventRecord(forked_, from));
    check(cudaStreamWaitEvent(native_, forked_));
    check(cudaEventRecord(ready_, native_));
    return native_;
  }
  /// Later work on `other` starts when the forked work may start.
  void lead(cudaStream_t other) const { check(cudaStreamWaitEvent(other, ready_)); }
  void join(cudaStream_t into) {
    check(cudaEventRecord(done_, native_));
    check(cudaStreamWaitEvent(into, done_));
  }

 private:
  cudaStream_t native_ = nullptr;
  cudaEvent_t forked_ = nullptr;
  cudaEvent_t ready_ = nullptr;
  cudaEvent_t done_ = nullptr;
};

/// The backward of a column-parallel linear layer of width 4096, sharded over the ranks.
struct Backward {
  Backward(Stream& on, int ranks, std::int64_t rows) : stream(on) {
    constexpr std::int64_t kWidth = 4096;
    const std::int64_t local = 4 * kWidth / ranks;
    const auto zeros = [&](const Shape& shape) {
      const Tensor all(stream.memory(), shape, DType::float32, MemoryLabel::workspace);
      fill_zero(stream, {all});
      return all;
    };
    x = zeros({rows, kWidth});
    dy = zeros({rows, local});
    weight = zeros({kWidth, local});
    dweight = zeros({kWidth, local});
    dx = zeros({rows, kWidth});
  }
  void input() const { matmul(stream, {.a = dy, .b = {weight, Transpose::yes}, .c = dx}); }
  void gradient() const { matmul(stream, {.a = {x, Transpose::yes}, .b = dy, .c = dweight}); }

  Stream& stream;
  Tensor x, dy, weight, dweight, dx;
};

std::vector<int> ranks_of(const MpiSession& session) {
  std::vector<int> ranks(static_cast<std::size_t>(session.size()));
  std::iota(ranks.begin(), ranks.end(), 0);
  return ranks;
}

class Bench {
 public:
  Bench(MpiSession& session, int device)
      : session_(session),
        stream_(make_stream({DeviceKind::cuda, device}, {.tf32 = true})),
        host_(session.world()),
        world_(open_nccl(stream_->device(), host_->make_group({session.rank()}, 0))),
        group_(make_nccl_communicator(world_, host_->make_group(ranks_of(session), 0))),
        bare_(session) {
    check(cudaSetDevice(device));
  }

  void run_host_times() {
    for (const std::int64_t bytes : {4 << 10, 64 << 10, 1 << 20}) {
      print_host_time(bytes);
    }
  }

  void run_device_times() {
    for (const std::int64_t bytes : {4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20, 256 << 20}) {
      print_all_reduce(bytes);
    }
    for (const std::int64_t bytes : {1 << 20, 64 << 20}) {
      print_message(bytes);
    }
    for (const std::int64_t rows : {2048, 8192, 32768}) {
      print_exposed(rows);
    }
    print_sides(8192);
  }

 private:
  /// Of one call, by the host's clock.
  struct Seconds {
    double issued = 0;    // until the call returns
    double complete = 0;  // with its work on the device
  };

  /// The medians over several rounds of kCalls calls.
  Seconds times_of(const std::function<void()>& call) {
    std::vector<double> issued;
    std::vector<double> complete;
    for (int turn = 0; turn < 9; ++turn) {
      host_->barrier();
      const std::int64_t begin = now_ns();
      for (int i = 0; i < kCalls; ++i) {
        call();
      }
      issued.push_back(static_cast<double>(now_ns() - begin) * 1e-9 / kCalls);
      stream_->synchronize();
      complete.push_back(static_cast<double>(now_ns() - begin) * 1e-9 / kCalls);
    }
    return {bench::median(issued), bench::median(complete)};
  }
  double seconds_of(const std::function<void()>& call) { return times_of(call).complete; }

  Tensor zeros(const Shape& shape) {
    Tensor x(stream_->memory(), shape, DType::float32, MemoryLabel::workspace);
    fill_zero(*stream_, {x});
    return x;
  }

  template <typename... Args>
  void say(fmt::format_string<Args...> text, Args&&... args) {
    if (session_.rank() == 0) {
      fmt::print(text, std::forward<Args>(args)...);
    }
  }

  void print_host_time(std::int64_t bytes) {
    const Tensor x = zeros({bytes / 4});
    const auto microseconds = [&](const std::function<void()>& call) {
      return times_of(call).issued * 1e6;
    };
    const double bare = microseconds([&] { bare_.all_reduce(cuda::native_stream(*stream_), x); });
    const double sum =
        microseconds([&] { group_->all_reduce(*stream_, x, ReduceOp::sum, Order::any); });
    const double message = microseconds([&] { pass_on(x); });
    say("host time of a call of {:6} KiB: NCCL's all_reduce {:5.1f} us, all_reduce {:5.1f} us, "
        "message {:5.1f} us (limit {:.0f}: {})\n",
        bytes >> 10, bare, sum, message, kHostLimitUs,
        std::max(sum, message) <= kHostLimitUs ? "kept" : "exceeded");
  }

  void print_all_reduce(std::int64_t bytes) {
    const Tensor x = zeros({bytes / 4});
    const double bare = seconds_of([&] { bare_.all_reduce(cuda::native_stream(*stream_), x); });
    const double any =
        seconds_of([&] { group_->all_reduce(*stream_, x, ReduceOp::sum, Order::any); });
    const double tree =
        seconds_of([&] { group_->all_reduce(*stream_, x, ReduceOp::sum, Order::tree); });
    const double size = group_->size();
    const double bus = 2 * (size - 1) / size * static_cast<double>(bytes) * 1e-9;
    say("all_reduce of {:6} KiB: NCCL {:8.1f} us {:6.1f} GB/s, any {:8.1f} us (x {:.2f}), "
        "tree {:8.1f} us {:6.1f} GB/s (x {:.2f})\n",
        bytes >> 10, bare * 1e6, bus / bare, any * 1e6, any / bare, tree * 1e6, bus / tree,
        tree / bare);
  }

  /// A message from rank 0 to rank 1.
  void pass_on(const Tensor& x) {
    if (group_->rank() == 0) {
      group_->send(*stream_, x, 1);
    } else if (group_->rank() == 1) {
      group_->recv(*stream_, x, 0);
    }
  }

  void print_message(std::int64_t bytes) {
    const Tensor x = zeros({bytes / 4});
    const double seconds = seconds_of([&] { pass_on(x); });
    say("message of {:6} KiB: {:8.1f} us {:6.1f} GB/s\n", bytes >> 10, seconds * 1e6,
        static_cast<double>(bytes) * 1e-9 / seconds);
  }

  void print_exposed(std::int64_t rows) {
    const Backward layer(*stream_, group_->size(), rows);
    const auto sum = [&] { group_->all_reduce(*stream_, layer.dx, ReduceOp::sum, Order::tree); };
    const double alone = seconds_of([&] { layer.input(), layer.gradient(); });
    const double summing = seconds_of(sum);
    const double in_turn = seconds_of([&] { layer.input(), sum(), layer.gradient(); });
    const double beside = seconds_of([&] {
      layer.input();
      const Event summed =
          start_all_reduce(*group_, *stream_, layer.dx, ReduceOp::sum, Order::tree);
      layer.gradient();
      stream_->wait(summed);
    });
    say("backward of {:5} rows, tf32: products {:.3f} ms, all_reduce {:.3f} ms; exposed in turn "
        "{:.3f} ms, beside {:.3f} ms ({:.0f} % hidden)\n",
        rows, alone * 1e3, summing * 1e3, (in_turn - alone) * 1e3, (beside - alone) * 1e3,
        100 * (in_turn - beside) / (in_turn - alone));
  }

  /// The same with direct NCCL calls: on streams of both priorities, with fewer blocks, and with
  /// the weight's gradient delayed until the all-reduce may start.
  void print_sides(std::int64_t rows) {
    const Backward layer(*stream_, group_->size(), rows);
    const auto here = cuda::native_stream(*stream_);
    const double alone = seconds_of([&] { layer.input(), layer.gradient(); });
    for (const int most_blocks : {0, 16, 8, 4}) {
      BareNccl bare(session_, most_blocks);
      const double summing = seconds_of([&] { bare.all_reduce(here, layer.dx); });
      say("  {} blocks at most, {} rows: all_reduce {:.3f} ms; exposed beside",
          most_blocks == 0 ? "any" : fmt::format("{}", most_blocks), rows, summing * 1e3);
      for (const bool urgent : {false, true}) {
        for (const bool first : {false, true}) {
          SideStream side(urgent);
          const double seconds = seconds_of([&] {
            layer.input();
            bare.all_reduce(side.fork(here), layer.dx);
            if (first) {
              side.lead(here);
            }
            layer.gradient();
            side.join(here);
          });
          say(" {:.3f} ms ({} priority{})", (seconds - alone) * 1e3, urgent ? "high" : "low",
              first ? ", first" : "");
        }
      }
      say("\n");
    }
  }

  MpiSession& session_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Communicator> host_;
  std::shared_ptr<nccl::World> world_;
  std::unique_ptr<Communicator> group_;
  BareNccl bare_;
};

}  // namespace

int main(int argc, char** argv) {
  const bool share = argc > 1 && std::string(argv[1]) == "--share-gpu";
  const auto me = mpi_environment();
  if (!me || me->size < 2) {
    fmt::print(stderr, "start two or more processes with mpirun\n");
    return 2;
  }
  set_gpu_environment(me->rank, share);
  const DeviceCensus census = count_devices(DeviceKind::cuda);
  if (census.count < (share ? 1 : me->local_size)) {
    fmt::print(stderr, "{} GPUs for {} processes: {}\n", census.count, me->local_size,
               census.why_none);
    return 2;
  }
  const auto session = start_mpi({});
  Bench bench(*session, me->local_rank % census.count);
  bench.run_host_times();
  if (!share) {
    bench.run_device_times();
  }
  return 0;
}
