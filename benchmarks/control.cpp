// Measures an envelope to another process and its credit back, over a connection of the control
// network, with detached actors as in a run: without data, and with 4 KiB written to a window and
// copied out of it. Then the same without data, each time with one CAF setting at its default.
// Before each measurement, as the machine's base: a line through a pipe to another process and one
// back. It wakes one thread on either side; an envelope and its credit wake three.
//   bench_control [ROUND_TRIPS]
#include <fmt/core.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <caf/all.hpp>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <future>
#include <numeric>

#include "actors/network/control_network.h"
#include "actors/network/control_types.h"
#include "kernels/backends/make_stream.h"
#include "kernels/base/error.h"
#include "kernels/base/span.h"
#include "stages/channels/channel.h"
#include "stages/channels/window_channel.h"

namespace {

using namespace stagecraft;

constexpr double kLimitUs = 250;  // for an envelope, one way
constexpr std::size_t kWarmup = 500;

const Shape kShape{4, 256};
constexpr std::int64_t kBytes = 4 << 10;

struct Setting {
  std::string name;
  std::function<void(caf::actor_system_config&)> change;
  bool with_bytes = false;
};

const std::vector<Setting> kSettings{
    {"as in a run", [](auto&) {}},
    {"as in a run, with 4 KiB", [](auto&) {}, true},
    {"middleman.workers = 1",
     [](auto& config) { config.set("middleman.workers", std::size_t{1}); }},
    {"scheduler.policy = stealing",
     [](auto& config) { config.set("scheduler.policy", caf::atom("stealing")); }},
    {"scheduler.max-threads = 4",
     [](auto& config) { config.set("scheduler.max-threads", std::size_t{4}); }},
    {"utility actors in the pool",
     [](auto& config) { config.set("middleman.attach-utility-actors", true); }},
    {"as in a run, again", [](auto&) {}},
};

struct Config : caf::actor_system_config {
  explicit Config(const Setting& setting) {
    set("scheduler.max-threads", std::size_t{1});
    set("scheduler.policy", caf::atom("sharing"));
    set("logger.verbosity", caf::atom("quiet"));
    configure_control(*this);
    setting.change(*this);
  }
};

/// A stage that calls `on_envelope` and `on_credit`; Connect gives it its partner.
struct Handlers {
  std::function<void(StageActor::pointer, const StageActor& partner, const Envelope&)> on_envelope;
  std::function<void(StageActor::pointer, const StageActor& partner, const Credit&)> on_credit;
};

StageActor::behavior_type stage(StageActor::pointer self, const Handlers& handlers,
                                const std::shared_ptr<StageActor>& partner) {
  return {
      [](const RunPasses&) {},
      [=](const Envelope& m) { handlers.on_envelope(self, *partner, m); },
      [=](const Credit& m) { handlers.on_credit(self, *partner, m); },
      [](const PassDone&) {},
      [](const ApplyUpdate&) {},
      [](const KeepState&) {},
      [](const StateSaved&) {},
      [](const WriteModel&) {},
      [=](const Finish&) { self->quit(); },
      [=](ConnectAtom, const std::vector<caf::strong_actor_ptr>& m, const caf::strong_actor_ptr&) {
        *partner = caf::actor_cast<StageActor>(m.at(0));
        handlers.on_credit(self, *partner, {});
      },
      [](JoinAtom, const caf::strong_actor_ptr&) {}};
}

/// A pipe for lines of text, between parent and child.
struct Pipe {
  Pipe() { require(::pipe(ends) == 0, "benchmark", "cannot create a pipe"); }
  void put(std::string text) const {
    text += '\n';
    require(::write(ends[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()),
            "benchmark", "cannot write to the pipe");
  }
  std::string get() const {
    std::string text;
    for (char c = 0; ::read(ends[0], &c, 1) == 1 && c != '\n';) {
      text += c;
    }
    return text;
  }
  int ends[2]{};
};

ControlOptions options_of(int rank) {
  ControlOptions options;
  options.secret = std::string(kSecretBytes, 's');
  options.rank = rank;
  return options;
}

/// An actor_system of CAF 0.17 may hang in its destructor while a detached actor exists. So no rank
/// destroys its own (actors/run/run_rank.h), and neither do these processes.
[[noreturn]] void end_process() {
  std::fflush(nullptr);
  std::_Exit(0);
}

/// A process's data channel and the shared time of arrival.
struct Beside {
  std::unique_ptr<Stream> stream = make_stream({}, {.threads = 1});
  std::unique_ptr<Channel> channel;
  SharedWindow note;  // arrival time of the envelope and its bytes; processes share one clock

  std::atomic<std::int64_t>& arrival() const {
    return *reinterpret_cast<std::atomic<std::int64_t>*>(note.bytes().data());
  }
};

/// Answers each envelope with its credit.
[[noreturn]] void answer(const Setting& setting, const Pipe& to_parent, const Pipe& to_child) {
  SharedWindow window = make_channel_window(kBytes);
  to_parent.put(window.key());
  const Beside beside{
      .channel = make_window_destination(std::move(window), std::make_shared<MemoryAccount>()),
      .note = SharedWindow::create(sizeof(std::int64_t))};
  to_parent.put(beside.note.key());
  Config config(setting);
  caf::actor_system system(config);
  ControlNetwork network(system, options_of(1));
  const Handlers handlers{
      [&](StageActor::pointer self, const StageActor& partner, const Envelope& m) {
        if (setting.with_bytes) {
          beside.channel->receive(*beside.stream, m);
        }
        beside.arrival() = now_ns();
        self->send(partner, Credit{m.edge, m.sequence});
      },
      [](auto...) {}};
  const StageActor mine =
      system.spawn<caf::detached>(stage, handlers, std::make_shared<StageActor>());
  to_parent.put(network.open(mine));
  caf::anon_send(mine, ConnectAtom::value,
                 std::vector{caf::actor_cast<caf::strong_actor_ptr>(network.connect("", 0))},
                 caf::strong_actor_ptr());
  to_parent.put("connected");
  to_child.get();
  end_process();
}

double mean_of(const std::vector<double>& times) {
  return std::accumulate(times.begin(), times.end(), 0.0) / static_cast<double>(times.size());
}

void measure_pipes(std::size_t count) {
  const Pipe there;
  const Pipe back;
  std::fflush(stdout);
  if (::fork() == 0) {
    for (std::size_t i = 0; i < count; ++i) {
      back.put(there.get());
    }
    end_process();
  }
  std::vector<double> times;
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t begin = now_ns();
    there.put("");
    back.get();
    times.push_back(static_cast<double>(now_ns() - begin) * 1e-3);
  }
  ::wait(nullptr);
  fmt::print("{:<28} round trip: mean {:6.1f} us\n", "pipes", mean_of(times));
}

/// In microseconds.
struct Times {
  std::vector<double> there;
  std::vector<double> there_and_back;
};

std::string words_of(std::vector<double> times) {
  std::sort(times.begin(), times.end());
  return fmt::format("mean {:6.1f} us, median {:6.1f}, 99 % {:6.1f}", mean_of(times),
                     times[times.size() / 2], times[times.size() * 99 / 100]);
}

void print(const Setting& setting, const Times& times) {
  fmt::print("{:<28} there: {} (limit {}); and back: {}\n", setting.name, words_of(times.there),
             kLimitUs, words_of(times.there_and_back));
}

/// Measures round trips.
[[noreturn]] void ask(const Setting& setting, const Pipe& from_child, const Pipe& to_child,
                      std::size_t count) {
  auto channel = make_window_source(SharedWindow::open(from_child.get()));
  const Beside beside{.channel = std::move(channel), .note = SharedWindow::open(from_child.get())};
  const Tensor x(beside.stream->memory(), kShape, DType::float32, MemoryLabel::workspace);
  std::fill_n(x.data<float>(), x.elements(), 1.0F);
  Config config(setting);
  caf::actor_system system(config);
  ControlNetwork network(system, options_of(0));
  Times times;
  std::size_t credits = 0;
  std::promise<void> done;
  std::int64_t begin = 0;
  const Handlers handlers{
      [](auto...) {},
      [&](StageActor::pointer self, const StageActor& partner, const Credit& credit) {
        const std::int64_t now = now_ns();
        if (credits > 0 && setting.with_bytes) {
          beside.channel->credit(*beside.stream, credit.sequence);
        }
        if (credits > kWarmup) {
          times.there.push_back(static_cast<double>(beside.arrival() - begin) * 1e-3);
          times.there_and_back.push_back(static_cast<double>(now - begin) * 1e-3);
        }
        if (times.there.size() == count) {
          done.set_value();
          return;
        }
        const std::uint64_t sequence = credits++;  // the first call, from Connect, is not a credit
        begin = now_ns();
        if (setting.with_bytes) {
          beside.channel->send(*beside.stream, sequence, x);
        }
        self->send(partner, Envelope{.sequence = sequence, .shape = kShape});
      }};
  const StageActor mine =
      system.spawn<caf::detached>(stage, handlers, std::make_shared<StageActor>());
  network.open(mine);
  const StageActor theirs = network.connect(from_child.get(), 1);
  from_child.get();
  network.close();
  caf::anon_send(mine, ConnectAtom::value,
                 std::vector{caf::actor_cast<caf::strong_actor_ptr>(theirs)},
                 caf::strong_actor_ptr());
  done.get_future().wait();
  print(setting, times);
  to_child.put("");
  end_process();
}

}  // namespace

int main(int argc, char** argv) {
  const auto count = static_cast<std::size_t>(argc > 1 ? std::atoll(argv[1]) : 10'000);
  for (const Setting& setting : kSettings) {
    measure_pipes(count);
    const Pipe from_child;
    const Pipe to_child;
    std::fflush(stdout);  // else the children print the buffer again
    if (::fork() == 0) {
      answer(setting, from_child, to_child);
    }
    if (::fork() == 0) {
      ask(setting, from_child, to_child, count);
    }
    while (::wait(nullptr) > 0) {
    }
  }
}
