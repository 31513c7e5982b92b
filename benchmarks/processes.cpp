// Compares communication between processes of one node with that between threads:
//   mpirun -np 2 [options as in tests/CMakeLists.txt] bench_processes
#include <fmt/core.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <thread>

#include "benchmarks/measure.h"
#include "kernels/backends/make_stream.h"
#include "tensor_parallel/comm/local/local_communicator.h"
#include "tensor_parallel/comm/mpi/session.h"

namespace {

using namespace stagecraft;

constexpr std::int64_t kLarge = std::int64_t{64} << 20;

/// Seconds of one call: the median over `turns`. Every member measures, between barriers.
double seconds_of(Communicator& group, int turns, const std::function<void()>& f) {
  std::vector<double> seconds;
  for (int turn = 0; turn < turns; ++turn) {
    group.barrier();
    const std::int64_t begin = now_ns();
    f();
    group.barrier();
    seconds.push_back(static_cast<double>(now_ns() - begin) * 1e-9);
  }
  return bench::median(seconds);
}

Tensor numbers(Stream& stream, std::int64_t bytes) {
  Tensor x(stream.memory(), {bytes / 4}, DType::float32, MemoryLabel::workspace);
  std::fill_n(x.data<float>(), x.elements(), 1.0F);
  return x;
}

double all_reduce_seconds(Communicator& group, std::int64_t bytes, int turns) {
  const auto stream = make_stream({}, {});
  const Tensor x = numbers(*stream, bytes);
  return seconds_of(group, turns,
                    [&] { group.all_reduce(*stream, x, ReduceOp::sum, Order::tree); });
}

/// The same with threads of this process.
double local_seconds(int members, std::int64_t bytes, int turns) {
  auto ends = make_local_world(members);
  std::vector<double> seconds(ends.size());
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < ends.size(); ++rank) {
    threads.emplace_back(
        [&, rank] { seconds[rank] = all_reduce_seconds(*ends[rank], bytes, turns); });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  return seconds[0];
}

/// One process copies, the others wait.
void print_memcpy() {
  for (std::int64_t bytes = 1 << 20; bytes <= kLarge; bytes *= 4) {
    std::vector<char> from(static_cast<std::size_t>(bytes), 1);
    std::vector<char> to(from.size(), 2);
    std::vector<double> seconds;
    for (int turn = 0; turn < 21; ++turn) {
      const std::int64_t begin = now_ns();
      std::memcpy(to.data(), from.data(), to.size());
      asm volatile("" : : "r"(to.data()) : "memory");
      seconds.push_back(static_cast<double>(now_ns() - begin) * 1e-9);
    }
    fmt::print("memcpy of {:2} MiB: {:.1f} GB/s\n", bytes >> 20,
               static_cast<double>(bytes) / bench::median(seconds) * 1e-9);
  }
}

void run(MpiSession& session) {
  constexpr double kMaxTimes = 1.3;
  const auto world = session.world();
  const bool speaks = session.rank() == 0;
  if (speaks) {
    print_memcpy();
  }
  for (int round = 0; round < 3; ++round) {
    const double processes = all_reduce_seconds(*world, kLarge, 21);
    const double threads = speaks ? local_seconds(world->size(), kLarge, 21) : 0;
    world->barrier();
    if (speaks) {
      fmt::print(
          "all_reduce of 64 MiB: {} processes {:.2f} ms, threads {:.2f} ms, ratio {:.2f} "
          "(limit {:.1f})\n",
          world->size(), processes * 1e3, threads * 1e3, processes / threads, kMaxTimes);
    }
  }
  const auto stream = make_stream({}, {});
  const double barrier = seconds_of(*world, 2000, [] {}) / 2;
  for (const std::int64_t bytes : {4, 4 << 10, 16 << 10, 64 << 10, 1 << 20}) {
    const double seconds = all_reduce_seconds(*world, bytes, 500);
    if (speaks) {
      fmt::print("all_reduce of {} bytes: {:.1f} us\n", bytes, (seconds - barrier) * 1e6);
    }
  }
  if (speaks) {
    fmt::print("barrier: {:.1f} us\n", barrier * 1e6);
  }
}

}  // namespace

int main() {
  const auto session = start_mpi({});
  run(*session);
}
