#include "actors/protocol/clock_tree.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include "kernels/backends/make_stream.h"
#include "kernels/core/tensor.h"
#include "tensor_parallel/sharding/rank_tree.h"

namespace stagecraft {
namespace {

constexpr int kQuestions = 8;
constexpr std::int64_t kNumbersOfReading = 3;

/// Times in a host tensor. A double holds integer nanoseconds exactly for a hundred days.
class TimeTensor {
 public:
  explicit TimeTensor(std::int64_t count)
      : stream_(make_stream({}, {})),
        tensor_(stream_->memory(), {count}, DType::float64, MemoryLabel::workspace) {
    std::fill(times().begin(), times().end(), 0.0);
  }
  std::span<double> times() const {
    return {tensor_.data<double>(), static_cast<std::size_t>(tensor_.elements())};
  }
  std::int64_t first() const { return static_cast<std::int64_t>(times().front()); }
  void send(Communicator& world, int to) { world.send(*stream_, tensor_, to); }
  void receive(Communicator& world, int from) { world.recv(*stream_, tensor_, from); }

 private:
  std::unique_ptr<Stream> stream_;
  Tensor tensor_;
};

/// A reading against the child's clock as one against the parent's clock.
ClockReading composed(const ClockReading& child, const ClockReading& reading) {
  return {.at_ns = reading.at_ns - child.ahead_ns,
          .ahead_ns = reading.ahead_ns + child.ahead_ns,
          .error_ns = reading.error_ns + child.error_ns};
}

}  // namespace

ClockTree::ClockTree(Communicator& world, std::vector<int> ranks, int index,
                     std::function<std::int64_t()> now)
    : world_(world), ranks_(std::move(ranks)), index_(index), now_(std::move(now)) {}

std::vector<ClockReading> ClockTree::read_subtree() {
  std::vector<ClockReading> readings{{.at_ns = now_()}};
  for (const int child : tree_children(index_, clocks())) {
    const ClockReading theirs = ask(rank_of(child));
    for (const ClockReading& reading : receive_subtree(child)) {
      readings.push_back(composed(theirs, reading));
    }
  }
  return readings;
}

void ClockTree::report(const std::vector<ClockReading>& readings) {
  const int parent = rank_of(tree_parent(index_));
  answer(parent);
  TimeTensor times(kNumbersOfReading * static_cast<std::int64_t>(readings.size()));
  auto at = times.times().begin();
  for (const ClockReading& reading : readings) {
    for (const std::int64_t number : {reading.at_ns, reading.ahead_ns, reading.error_ns}) {
      *at++ = static_cast<double>(number);
    }
  }
  times.send(world_, parent);
}

ClockReading ClockTree::ask(int rank) {
  TimeTensor time(1);
  ClockReading best;
  std::int64_t shortest = std::numeric_limits<std::int64_t>::max();
  for (int question = 0; question < kQuestions; ++question) {
    const std::int64_t begin = now_();
    time.send(world_, rank);
    time.receive(world_, rank);
    const std::int64_t trip = now_() - begin;
    if (trip < shortest) {
      shortest = trip;
      best = {.at_ns = begin + trip / 2, .error_ns = trip - trip / 2};
      best.ahead_ns = time.first() - best.at_ns;
    }
  }
  return best;
}

void ClockTree::answer(int rank) {
  TimeTensor time(1);
  for (int question = 0; question < kQuestions; ++question) {
    time.receive(world_, rank);
    time.times().front() = static_cast<double>(now_());
    time.send(world_, rank);
  }
}

std::vector<ClockReading> ClockTree::receive_subtree(int child) {
  TimeTensor times(kNumbersOfReading * (tree_end(child, clocks()) - child));
  times.receive(world_, rank_of(child));
  std::vector<ClockReading> readings;
  for (auto at = times.times().begin(); at != times.times().end(); at += kNumbersOfReading) {
    readings.push_back({.at_ns = static_cast<std::int64_t>(at[0]),
                        .ahead_ns = static_cast<std::int64_t>(at[1]),
                        .error_ns = static_cast<std::int64_t>(at[2])});
  }
  return readings;
}

}  // namespace stagecraft
