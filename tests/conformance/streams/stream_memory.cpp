// The contract of a stream's memory, on every device.
#include "kernels/backends/make_stream.h"
#include "kernels/ops/elementwise.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

/// Calls f(stream) with a fresh stream of every device.
template <typename F>
void on_every_device(F&& f) {
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    f(*make_stream(device.streams.front()->device(), {}));
  }
}

}  // namespace

TEST_CASE("memory is counted by label, to the byte") {
  on_every_device([](Stream& stream) {
    MemoryResource& memory = stream.memory();
    const MemoryAccount& account = *memory.account();
    const auto weights = memory.allocate(100, MemoryLabel::weights);
    auto workspace = memory.allocate(30, MemoryLabel::workspace);
    CHECK(account.count(MemoryLabel::weights).current == 100);
    CHECK(account.total().current == 130);
    workspace.reset();
    CHECK(account.count(MemoryLabel::workspace).current == 0);
    CHECK(account.total().peak == 130);
  });
}

TEST_CASE("an allocation reuses freed memory of the same size, and no other") {
  on_every_device([](Stream& stream) {
    const void* first = stream.memory().allocate(5000, MemoryLabel::workspace)->data();
    const auto other = stream.memory().allocate(6000, MemoryLabel::workspace);
    const auto again = stream.memory().allocate(5000, MemoryLabel::weights);
    CHECK(again->data() == first);
    CHECK(other->data() != first);
  });
}

TEST_CASE("memory that is freed while in use is reused by later work in stream order") {
  constexpr std::int64_t kCount = 1 << 22;
  on_every_device([](Stream& stream) {
    const Tensor sum = tensor_of(stream, {kCount}, Values(kCount, 0.0));
    const Tensor one = tensor_of(stream, {kCount}, Values(kCount, 1.0));
    for (int round = 0; round < 20; ++round) {
      const Tensor twice(stream.memory(), {kCount}, DType::float32, MemoryLabel::workspace);
      add(stream, {one, one, twice});
      add(stream, {sum, twice, sum});
    }
    CHECK(values_of(stream, sum.rows(kCount - 1, kCount)) == Values{40});
    CHECK(stream.memory().account()->total().peak == 3 * 4 * kCount);
  });
}

TEST_CASE("memory is aligned to cache lines and usable to its end") {
  on_every_device([](Stream& stream) {
    for (const std::int64_t bytes : {0, 4, 60, 64, 68, 1 << 21, (1 << 21) + 4}) {
      const Tensor tensor(stream.memory(), {bytes / 4}, DType::float32, MemoryLabel::workspace);
      CHECK(reinterpret_cast<std::uintptr_t>(tensor.raw()) % 64 == 0);
      fill_zero(stream, {tensor});
      CHECK(values_of(stream, tensor) == Values(static_cast<std::size_t>(bytes / 4), 0.0));
    }
  });
}

#ifndef __SANITIZE_ADDRESS__  // it ends the program instead of returning a null pointer
TEST_CASE("too large an allocation is an error with its size, and the stream stays usable") {
  on_every_device([](Stream& stream) {
    const auto kept = tensor_of(stream, {2}, {3, 4});
    stream.memory().allocate(1 << 20, MemoryLabel::workspace);  // free pieces may be released
    CHECK_THROWS_WITH(stream.memory().allocate(std::int64_t{1} << 60, MemoryLabel::weights),
                      Catch::Matchers::Contains("1152921504606846976 bytes"));
    CHECK(values_of(stream, kept) == Values{3, 4});
    CHECK(stream.memory().account()->count(MemoryLabel::weights).current == 0);
  });
}
#endif

TEST_CASE("a buffer can be charged to another account, on every device") {
  on_every_device([](Stream& giver) {
    const auto taker = make_stream(giver.device(), {});
    const auto buffer = giver.memory().allocate(64, MemoryLabel::transfer_slots);
    buffer->charge_to(taker->memory().account(), MemoryLabel::saved_activations);
    CHECK(giver.memory().account()->total().current == 0);
    CHECK(taker->memory().account()->count(MemoryLabel::saved_activations).current == 64);
  });
}

}  // namespace stagecraft::testing
