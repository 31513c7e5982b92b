// Compares the bandwidth of a window channel between two processes of one node with that of memcpy.
// Two counters in shared memory replace envelopes and credits, so only the channel is measured.
//   channels [GIB]     GiB to transfer at each size (default 1)
#include <fmt/core.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <thread>
#include <vector>

#include "kernels/backends/make_stream.h"
#include "kernels/base/span.h"
#include "stages/channels/channel.h"
#include "stages/channels/window_channel.h"
#include "stages/program/edge.h"

namespace {

using namespace stagecraft;

constexpr int kRounds = 7;  // the best is printed, because other load only slows a round down

struct Counters {
  alignas(64) std::atomic<std::uint64_t> sent{0};
  alignas(64) std::atomic<std::uint64_t> received{0};
};

void wait_until(const std::atomic<std::uint64_t>& counter, std::uint64_t value) {
  while (counter.load(std::memory_order_acquire) < value) {
    std::this_thread::yield();
  }
}

/// Binds this process to the `index`-th of its allowed cores, as the launcher does in a run.
void bind_to_core(int index) {
  static const cpu_set_t kGiven = [] {
    cpu_set_t given;
    ::sched_getaffinity(0, sizeof(given), &given);
    return given;
  }();
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &kGiven) && index-- == 0) {
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(core, &one);
      ::sched_setaffinity(0, sizeof(one), &one);
    }
  }
}

/// The source sleeps in pass() until open(), so that it does not disturb the measurement of memcpy.
class StartSignal {
 public:
  StartSignal() {
    if (::pipe(ends_) != 0) {
      std::exit(1);
    }
  }
  void open() const {
    if (::write(ends_[1], ".", 1) != 1) {
      std::exit(1);
    }
  }
  void pass() const {
    char byte = 0;
    if (::read(ends_[0], &byte, 1) != 1) {
      ::_exit(1);
    }
  }

 private:
  int ends_[2] = {-1, -1};
};

struct Stretch {
  std::int64_t bytes = 0;  // of a tensor
  std::uint64_t tensors = 0;
};

/// The child process: sends all tensors, then exits.
[[noreturn]] void be_source(const Stretch& stretch, Counters& counters, const StartSignal& start,
                            const std::string& key) {
  bind_to_core(1);
  const auto stream = make_stream({}, {});
  const auto channel = make_window_source(SharedWindow::open(key));
  const Tensor x(stream->memory(), {stretch.bytes / 4}, DType::float32, MemoryLabel::workspace);
  std::memset(x.raw(), 1, static_cast<std::size_t>(stretch.bytes));
  for (std::uint64_t sequence = 0; sequence < stretch.tensors * (kRounds + 1); ++sequence) {
    if (sequence % stretch.tensors == 0) {
      start.pass();
    }
    if (sequence >= kReceiveSlots) {
      wait_until(counters.received, sequence - kReceiveSlots + 1);
      channel->credit(*stream, sequence - kReceiveSlots);
    }
    channel->send(*stream, sequence, x);
    counters.sent.store(sequence + 1, std::memory_order_release);
  }
  ::_exit(0);
}

double rate(const Stretch& stretch, std::int64_t ns) {
  return static_cast<double>(stretch.bytes) * static_cast<double>(stretch.tensors) /
         static_cast<double>(ns);
}

/// GB/s of memcpy on this thread, from one buffer to kReceiveSlots others in turn, in tensor
/// memory. Source and destination have different offsets within a page: with equal offsets some
/// processors copy at a tenth of the speed.
double memcpy_rate(const Stretch& stretch, Stream& stream) {
  constexpr std::int64_t kApart = 192;
  const auto size = static_cast<std::size_t>(stretch.bytes);
  const std::int64_t all = (stretch.bytes + kApart) * kReceiveSlots;
  const Tensor from(stream.memory(), {stretch.bytes / 4}, DType::float32, MemoryLabel::workspace);
  const Tensor to(stream.memory(), {all / 4}, DType::float32, MemoryLabel::workspace);
  std::memset(from.raw(), 1, size);
  std::memset(to.raw(), 2, static_cast<std::size_t>(all));
  const std::int64_t begin = now_ns();
  for (std::uint64_t i = 0; i < stretch.tensors; ++i) {
    const std::size_t offset = kApart + i % kReceiveSlots * size;
    std::memcpy(static_cast<char*>(to.raw()) + offset, from.raw(), size);
    asm volatile("" : : "r"(to.raw()) : "memory");
  }
  return rate(stretch, now_ns() - begin);
}

/// GB/s of one stretch, measured in the destination's process.
double receive_stretch(const Stretch& stretch, Stream& stream, Channel& channel, Counters& counters,
                       std::uint64_t first) {
  const std::int64_t begin = now_ns();
  for (std::uint64_t sequence = first; sequence < first + stretch.tensors; ++sequence) {
    wait_until(counters.sent, sequence + 1);
    channel.receive(stream, {.sequence = sequence, .shape = {stretch.bytes / 4}});
    counters.received.store(sequence + 1, std::memory_order_release);
  }
  return rate(stretch, now_ns() - begin);
}

double best(const std::vector<double>& rates) {
  return *std::max_element(rates.begin(), rates.end());
}

void measure(const Stretch& stretch) {
  SharedWindow shared = SharedWindow::create(sizeof(Counters));
  auto& counters = *new (shared.bytes().data()) Counters;
  SharedWindow window = make_channel_window(stretch.bytes);
  const std::string key = window.key();
  const StartSignal start;
  const pid_t source = ::fork();
  if (source == 0) {
    be_source(stretch, counters, start, key);
  }
  const auto stream = make_stream({}, {});
  const auto channel = make_window_destination(std::move(window), stream->memory().account());
  std::vector<double> through;
  std::vector<double> alone;
  for (std::uint64_t round = 0; round <= kRounds; ++round) {  // the first round is the warm-up
    const std::uint64_t first = round * stretch.tensors;
    alone.push_back(memcpy_rate(stretch, *stream));
    start.open();
    through.push_back(receive_stretch(stretch, *stream, *channel, counters, first));
  }
  ::waitpid(source, nullptr, 0);
  through.erase(through.begin());
  alone.erase(alone.begin());
  const double ratio = best(through) / best(alone);
  fmt::print(
      "{:>8} KiB  window {:6.2f} GB/s ({:8.2f} us a tensor)  memcpy {:6.2f} GB/s  ratio "
      "{:.2f}{}\n",
      stretch.bytes / 1024, best(through),
      static_cast<double>(stretch.bytes) / best(through) * 1e-3, best(alone), ratio,
      stretch.bytes >= 1 << 20 ? " (limit 0.70)" : "");
}

}  // namespace

int main(int argc, char** argv) {
  bind_to_core(0);
  const double gib = argc > 1 ? std::atof(argv[1]) : 1;
  for (const std::int64_t bytes : {4 << 10, 64 << 10, 1 << 20, 16 << 20, 64 << 20}) {
    const auto tensors = static_cast<std::uint64_t>(gib * (1 << 30) / static_cast<double>(bytes));
    measure({bytes, std::max<std::uint64_t>(tensors, 4)});
  }
}
