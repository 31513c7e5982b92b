// The members of a group under test, one thread each.
#pragma once

#include <algorithm>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/backends/make_stream.h"
#include "kernels/core/stream.h"
#include "kernels/ops/host_copy.h"
#include "tensor_parallel/comm/local/local_communicator.h"
#include "tests/conformance/devices.h"
#include "tests/conformance/watchdog.h"

namespace stagecraft::test {

struct Member {
  Communicator& group;
  Stream& stream;
  std::function<void(std::string)> doing;  // reports the current action to the watchdog
  int rank() const { return group.rank(); }
  int size() const { return group.size(); }
};

/// The ranks of a group for which `holds` is true, ascending.
template <typename F>
std::vector<int> ranks_where(const Communicator& group, F&& holds) {
  std::vector<int> ranks;
  for (int rank = 0; rank < group.size(); ++rank) {
    if (holds(rank)) {
      ranks.push_back(rank);
    }
  }
  return ranks;
}

inline std::vector<int> all_ranks(const Communicator& group) {
  return ranks_where(group, [](int) { return true; });
}

using MemberFunction = std::function<void(Member&)>;

/// Like Catch's REQUIRE, but safe on several threads.
inline void expect(bool holds, std::string_view text) {
  if (!holds) {
    throw std::runtime_error("does not hold: " + std::string(text));
  }
}

/// Rethrows the first failure that is not an AbortedError, which only repeats another member's
/// failure.
inline void rethrow_first(const std::vector<std::exception_ptr>& failures) {
  std::exception_ptr echo;
  for (const std::exception_ptr& failure : failures) {
    try {
      if (failure != nullptr) {
        std::rethrow_exception(failure);
      }
    } catch (const AbortedError&) {
      echo = failure;
    }
  }
  if (echo != nullptr) {
    std::rethrow_exception(echo);
  }
}

/// A stream for this member only. GPU streams are kept for later tests, because the device's
/// libraries start slowly.
inline std::shared_ptr<Stream> stream_of_member(Device device, int rank) {
  if (device.kind == DeviceKind::cpu) {
    return make_stream(device, {});
  }
  static std::mutex mutex;
  static auto& kept = *new std::map<std::pair<int, int>, std::shared_ptr<Stream>>();
  const std::lock_guard lock(mutex);
  std::shared_ptr<Stream>& stream = kept[{device.index, rank}];
  if (stream == nullptr) {
    stream = make_stream(device, {});
  }
  return stream;
}

/// Calls `function` for every member, each on its own thread with its own stream. A member that
/// fails aborts the others.
inline void run_members(const std::string& test, std::vector<std::unique_ptr<Communicator>> ends,
                        const MemberFunction& function,
                        const testing::Placement& placement = {"cpu", {{}}}) {
  Watchdog watchdog(test, std::chrono::seconds(90));
  std::vector<std::exception_ptr> failures(ends.size());
  std::vector<std::thread> threads;
  threads.reserve(ends.size());
  for (std::size_t rank = 0; rank < ends.size(); ++rank) {
    threads.emplace_back([&, rank] {
      const auto doing = [&, rank](std::string what) {
        watchdog.doing(static_cast<int>(rank), std::move(what));
      };
      try {
        const int number = static_cast<int>(rank);
        const auto stream = stream_of_member(placement.at(number), number);
        Member member{*ends.at(rank), *stream, doing};
        doing("started");
        function(member);
        doing("returned");
      } catch (...) {
        failures.at(rank) = std::current_exception();
        ends.at(rank)->abort("a failed member");
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  rethrow_first(failures);
}

inline void run_local(const std::string& test, int size, const MemberFunction& function,
                      const testing::Placement& placement = {"cpu", {{}}}) {
  run_members(test, make_local_world(size), function, placement);
}

template <typename T>
Tensor tensor_of(Stream& stream, const std::vector<T>& values, Shape shape) {
  Tensor x(stream.memory(), std::move(shape), dtype_of<T>(), MemoryLabel::workspace);
  expect(x.elements() == static_cast<std::int64_t>(values.size()), "the values fill the shape");
  copy_from_host(stream, std::span<const T>(values), x);
  return x;
}

template <typename T>
Tensor tensor_of(Stream& stream, const std::vector<T>& values) {
  return tensor_of(stream, values, {static_cast<std::int64_t>(values.size())});
}

template <typename T>
std::vector<T> values_of(Stream& stream, const Tensor& x) {
  std::vector<T> values(static_cast<std::size_t>(x.elements()));
  copy_to_host(stream, x, std::span<T>(values));
  return values;
}

}  // namespace stagecraft::test
