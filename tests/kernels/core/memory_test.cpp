#include "kernels/core/memory.h"

#include <catch2/catch.hpp>
#include <cstring>
#include <thread>
#include <vector>

#include "kernels/backends/make_stream.h"
#include "kernels/base/error.h"
#include "kernels/core/stream.h"

namespace stagecraft {
namespace {

std::unique_ptr<Stream> cpu_stream() { return make_stream({DeviceKind::cpu, 0}, {}); }

}  // namespace

TEST_CASE("an account counts current and peak bytes by label and in all") {
  const auto stream = cpu_stream();
  MemoryResource& memory = stream->memory();
  const MemoryAccount& account = *memory.account();
  auto weights = memory.allocate(100, MemoryLabel::weights);
  auto workspace = memory.allocate(30, MemoryLabel::workspace);
  CHECK(account.count(MemoryLabel::weights).current == 100);
  CHECK(account.total().current == 130);
  workspace.reset();
  CHECK(account.count(MemoryLabel::workspace).current == 0);
  CHECK(account.count(MemoryLabel::workspace).peak == 30);
  CHECK(account.total().current == 100);
  CHECK(account.total().peak == 130);
}

TEST_CASE("peaks start again from what is held") {
  const auto stream = cpu_stream();
  const auto account = stream->memory().account();
  const auto kept = stream->memory().allocate(10, MemoryLabel::optimizer);
  stream->memory().allocate(1000, MemoryLabel::optimizer);
  CHECK(account->count(MemoryLabel::optimizer).peak == 1010);
  account->reset_peaks();
  CHECK(account->count(MemoryLabel::optimizer).peak == 10);
  CHECK(account->total().peak == 10);
}

TEST_CASE("a buffer can be charged to another account and label") {
  const auto giver = cpu_stream();
  const auto taker = cpu_stream();
  auto buffer = giver->memory().allocate(64, MemoryLabel::transfer_slots);
  buffer->charge_to(taker->memory().account(), MemoryLabel::saved_activations);
  CHECK(giver->memory().account()->total().current == 0);
  CHECK(taker->memory().account()->count(MemoryLabel::saved_activations).current == 64);
  buffer->relabel(MemoryLabel::workspace);
  CHECK(taker->memory().account()->count(MemoryLabel::saved_activations).current == 0);
  CHECK(taker->memory().account()->count(MemoryLabel::workspace).current == 64);
  CHECK(buffer->label() == MemoryLabel::workspace);
  buffer.reset();
  CHECK(taker->memory().account()->total().current == 0);
}

TEST_CASE("freed bytes of a size serve the next taker of that size") {
  const auto stream = cpu_stream();
  const void* first = stream->memory().allocate(5000, MemoryLabel::workspace)->data();
  const auto other = stream->memory().allocate(6000, MemoryLabel::workspace);
  const auto again = stream->memory().allocate(5000, MemoryLabel::weights);
  CHECK(again->data() == first);
  CHECK(other->data() != first);
}

TEST_CASE("memory is aligned to cache lines and writable to its end") {
  const auto stream = cpu_stream();
  for (const std::int64_t bytes : {0, 1, 63, 64, 65, 1 << 21, (1 << 21) + 1}) {
    const auto buffer = stream->memory().allocate(bytes, MemoryLabel::workspace);
    CHECK(reinterpret_cast<std::uintptr_t>(buffer->data()) % 64 == 0);
    CHECK(buffer->bytes() == bytes);
    std::memset(buffer->data(), 1, static_cast<std::size_t>(bytes));
  }
}

TEST_CASE("a buffer outlives the stream that it came from") {
  std::shared_ptr<Buffer> buffer = cpu_stream()->memory().allocate(256, MemoryLabel::weights);
  std::memset(buffer->data(), 7, 256);
  CHECK(static_cast<const char*>(buffer->data())[255] == 7);
}

TEST_CASE("what cannot be allocated is an error") {
  const auto stream = cpu_stream();
  CHECK_THROWS_WITH(stream->memory().allocate(-1, MemoryLabel::workspace),
                    "[MemoryResource::allocate] cannot allocate -1 bytes");
#ifndef __SANITIZE_ADDRESS__  // which ends the program instead of returning a null pointer
  CHECK_THROWS_AS(stream->memory().allocate(std::int64_t{1} << 60, MemoryLabel::workspace), Error);
#endif
  CHECK(stream->memory().account()->total().current == 0);
}

TEST_CASE("threads may allocate from one resource at a time of their own") {
  const auto stream = cpu_stream();
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        stream->memory().allocate(64 + i % 3 * 64, MemoryLabel::workspace);
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  CHECK(stream->memory().account()->total().current == 0);
  CHECK(stream->memory().account()->total().peak >= 192);
}

}  // namespace stagecraft
