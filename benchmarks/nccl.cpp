// What processes with a GPU each do to each other: this program's all-reduces beside bare calls of
// NCCL, and what of an all-reduce is left to see behind a matrix product:
//   mpirun -np 2 [words of tests/CMakeLists.txt] bench_nccl
#include <fmt/core.h>
#include <nccl.h>

#include <cstdlib>
#include <functional>
#include <string>

#include "benchmarks/measure.h"
#include "kernels/cuda/native_stream.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/matmul.h"
#include "launch/gpu_environment.h"
#include "launch/launched.h"
#include "tensor_parallel/comm/mpi/session.h"
#include "tensor_parallel/comm/nccl/nccl_communicator.h"

namespace {

using namespace stagecraft;

constexpr int kCalls = 20;  // between two looks at the clock

void check(ncclResult_t result) {
  if (result != ncclSuccess) {
    throw Error("nccl", ncclGetErrorString(result));
  }
}

/// A blocking communicator, as most programs use it.
class BareNccl {
 public:
  BareNccl(MpiSession& session) {
    ncclUniqueId id{};
    if (session.rank() == 0) {
      check(ncclGetUniqueId(&id));
    }
    const std::string text(id.internal, sizeof id.internal);
    session.exchange(text).front().copy(id.internal, sizeof id.internal);
    check(ncclCommInitRank(&native_, session.size(), id, session.rank()));
  }
  ~BareNccl() { ncclCommDestroy(native_); }
  BareNccl(const BareNccl&) = delete;
  BareNccl& operator=(const BareNccl&) = delete;

  void all_reduce(Stream& stream, const Tensor& x) {
    check(ncclAllReduce(x.raw(), x.raw(), static_cast<std::size_t>(x.elements()), ncclFloat32,
                        ncclSum, native_, cuda::native_stream(stream)));
  }

 private:
  ncclComm_t native_ = nullptr;
};

class Bench {
 public:
  explicit Bench(MpiSession& session)
      : session_(session),
        stream_(make_stream({DeviceKind::cuda, launched()->local_rank}, {.tf32 = true})),
        host_(session.world()),
        world_(open_nccl(stream_->device(), host_->split(0, session.rank()))),
        group_(make_nccl_communicator(world_, host_->split(0, session.rank()))),
        bare_(session) {}

  void run() {
    for (const std::int64_t bytes : {4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20, 256 << 20}) {
      print_all_reduce(bytes);
    }
    for (const std::int64_t bytes : {1 << 20, 64 << 20}) {
      print_message(bytes);
    }
    for (const std::int64_t rows : {2048, 8192, 32768}) {
      print_exposed(rows);
    }
  }

 private:
  /// Seconds of one of many calls, the median over turns.
  double seconds_of(const std::function<void()>& call) {
    std::vector<double> seconds;
    for (int turn = 0; turn < 9; ++turn) {
      host_->barrier();
      const std::int64_t begin = now_ns();
      for (int i = 0; i < kCalls; ++i) {
        call();
      }
      stream_->synchronize();
      seconds.push_back(static_cast<double>(now_ns() - begin) * 1e-9 / kCalls);
    }
    return bench::median(seconds);
  }

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

  void print_all_reduce(std::int64_t bytes) {
    const Tensor x = zeros({bytes / 4});
    const double bare = seconds_of([&] { bare_.all_reduce(*stream_, x); });
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

  /// From rank 0 to rank 1.
  void print_message(std::int64_t bytes) {
    const Tensor x = zeros({bytes / 4});
    const double seconds = seconds_of([&] {
      if (group_->rank() == 0) {
        group_->send(*stream_, x, 1);
      } else if (group_->rank() == 1) {
        group_->recv(*stream_, x, 0);
      }
    });
    say("message of {:6} KiB: {:8.1f} us {:6.1f} GB/s\n", bytes >> 10, seconds * 1e6,
        static_cast<double>(bytes) * 1e-9 / seconds);
  }

  /// The backward of a column-parallel linear layer of width 4096, a share of it on each rank.
  void print_exposed(std::int64_t rows) {
    constexpr std::int64_t kWidth = 4096;
    const std::int64_t local = 4 * kWidth / group_->size();
    const Tensor x = zeros({rows, kWidth});
    const Tensor dy = zeros({rows, local});
    const Tensor weight = zeros({kWidth, local});
    const Tensor dweight = zeros({kWidth, local});
    const Tensor dx = zeros({rows, kWidth});
    const auto input = [&] {
      matmul(*stream_, {.a = dy, .b = weight, .transpose_b = Transpose::yes, .c = dx});
    };
    const auto gradient = [&] {
      matmul(*stream_, {.a = x, .transpose_a = Transpose::yes, .b = dy, .c = dweight});
    };
    const double alone = seconds_of([&] { input(), gradient(); });
    const double sum =
        seconds_of([&] { group_->all_reduce(*stream_, dx, ReduceOp::sum, Order::tree); });
    const double in_turn = seconds_of([&] {
      input();
      group_->all_reduce(*stream_, dx, ReduceOp::sum, Order::tree);
      gradient();
    });
    const double beside = seconds_of([&] {
      input();
      const Event summed = group_->start_all_reduce(*stream_, dx, ReduceOp::sum, Order::tree);
      gradient();
      stream_->wait(summed);
    });
    say("backward of {:5} rows, tf32: products {:.3f} ms, all_reduce {:.3f} ms; exposed in turn "
        "{:.3f} ms, beside {:.3f} ms ({:.0f} % hidden)\n",
        rows, alone * 1e3, sum * 1e3, (in_turn - alone) * 1e3, (beside - alone) * 1e3,
        100 * (in_turn - beside) / (in_turn - alone));
  }

  MpiSession& session_;
  std::unique_ptr<Stream> stream_;
  std::unique_ptr<Communicator> host_;
  std::shared_ptr<nccl::World> world_;
  std::unique_ptr<Communicator> group_;
  BareNccl bare_;
};

}  // namespace

int main() {
  const auto me = launched();
  if (!me || me->size < 2) {
    fmt::print(stderr, "start two or more processes with mpirun\n");
    return 2;
  }
  set_gpu_environment(me->rank, false);
  const DeviceCensus census = count_devices(DeviceKind::cuda);
  if (census.count < me->local_size) {
    fmt::print(stderr, "{} GPUs for {} processes: {}\n", census.count, me->local_size,
               census.why_none);
    return 2;
  }
  const auto session = start_mpi({});
  Bench(*session).run();
  return 0;
}
