#include "actors/protocol/clock_reading.h"

#include <cmath>
#include <limits>

#include "kernels/backends/make_stream.h"
#include "kernels/core/tensor.h"

namespace stagecraft {
namespace {

constexpr int kQuestions = 8;

/// A time in a host tensor. A double holds integer nanoseconds exactly for a hundred days.
class TimeTensor {
 public:
  TimeTensor()
      : stream_(make_stream({}, {})),
        tensor_(stream_->memory(), {1}, DType::float64, MemoryLabel::workspace) {
    set(0);
  }
  void set(std::int64_t ns) { *tensor_.data<double>() = static_cast<double>(ns); }
  std::int64_t get() const { return static_cast<std::int64_t>(*tensor_.data<double>()); }
  void send(Communicator& world, int to) { world.send(*stream_, tensor_, to); }
  void receive(Communicator& world, int from) { world.recv(*stream_, tensor_, from); }

 private:
  std::unique_ptr<Stream> stream_;
  Tensor tensor_;
};

ClockReading ask(Communicator& world, int rank) {
  TimeTensor time;
  ClockReading best;
  std::int64_t shortest = std::numeric_limits<std::int64_t>::max();
  for (int question = 0; question < kQuestions; ++question) {
    const std::int64_t begin = now_ns();
    time.send(world, rank);
    time.receive(world, rank);
    const std::int64_t end = now_ns();
    if (end - begin < shortest) {
      shortest = end - begin;
      best.at_ns = begin + shortest / 2;
      best.ahead_ns = time.get() - best.at_ns;
    }
  }
  return best;
}

void answer(Communicator& world) {
  TimeTensor time;
  for (int question = 0; question < kQuestions; ++question) {
    time.receive(world, 0);
    time.set(now_ns());
    time.send(world, 0);
  }
}

}  // namespace

std::vector<ClockReading> read_clocks(Communicator& world,
                                      const std::function<bool(int rank)>& same_clock) {
  if (world.rank() != 0) {
    if (!same_clock(world.rank())) {
      answer(world);
    }
    return {};
  }
  std::vector<ClockReading> readings;
  readings.reserve(static_cast<std::size_t>(world.size()));
  for (int rank = 0; rank < world.size(); ++rank) {
    readings.push_back(rank == 0 || same_clock(rank) ? ClockReading{now_ns(), 0}
                                                     : ask(world, rank));
  }
  return readings;
}

std::int64_t on_first_clock(std::int64_t time_ns, const ClockReading& begin,
                            const ClockReading& end) {
  const auto span = static_cast<double>(end.at_ns - begin.at_ns);
  const auto drift = static_cast<double>(end.ahead_ns - begin.ahead_ns);
  // The line through both readings is evaluated on the other clock's axis: `along` is the position
  // of time_ns between the readings.
  const double along =
      span <= 0 ? 0
                : static_cast<double>(time_ns - (begin.at_ns + begin.ahead_ns)) / (span + drift);
  return time_ns - begin.ahead_ns - std::llround(along * drift);
}

}  // namespace stagecraft
