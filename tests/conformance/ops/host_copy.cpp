#include "kernels/ops/host_copy.h"

#include <algorithm>
#include <cstdint>

#include "kernels/backends/host_memory.h"
#include "kernels/backends/make_stream.h"
#include "kernels/ops/elementwise.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {
namespace {

std::vector<float> counted(std::size_t count) {
  std::vector<float> numbers(count);
  for (std::size_t i = 0; i < count; ++i) {
    numbers[i] = static_cast<float>(i % 1000);
  }
  return numbers;
}

}  // namespace

TEST_CASE("what is copied from the host comes back") {
  // The last is more than all of a backend's staging memory together.
  for (const std::size_t count : {0, 1, 3, 1000, 262144, 262145, 5000000}) {
    CAPTURE(count);
    const std::vector<float> sent = counted(count);
    for (DeviceUnderTest& device : devices_under_test()) {
      for (const auto& stream : device.streams) {
        const Tensor tensor = poisoned(*stream, {static_cast<std::int64_t>(count)});
        copy_from_host(*stream, std::span<const float>(sent), tensor);
        std::vector<float> received(count);
        copy_to_host(*stream, tensor, std::span<float>(received));
        CHECK(received == sent);
      }
    }
  }
}

TEST_CASE("the host's memory may change once a copy from it has returned") {
  constexpr std::int64_t kCount = 100000;
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    std::vector<Tensor> tensors;
    std::vector<float> numbers(kCount);
    for (int round = 0; round < 40; ++round) {
      std::fill(numbers.begin(), numbers.end(), static_cast<float>(round));
      tensors.emplace_back(stream.memory(), Shape{kCount}, DType::float32, MemoryLabel::workspace);
      copy_from_host(stream, std::span<const float>(numbers), tensors.back());
    }
    for (int round = 0; round < 40; ++round) {
      CHECK(values_of(stream, tensors[static_cast<std::size_t>(round)]) == Values(kCount, round));
    }
  }
}

TEST_CASE("copies and operations keep the stream's order") {
  constexpr std::int64_t kCount = 1 << 20;
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    const Tensor sum = tensor_of(stream, {kCount}, Values(kCount, 0.0));
    const Tensor term = tensor_of(stream, {kCount}, Values(kCount, 0.0));
    for (int round = 1; round <= 10; ++round) {
      const std::vector<float> numbers(kCount, static_cast<float>(round));
      copy_from_host(stream, std::span<const float>(numbers), term);
      add(stream, {sum, term, sum});
    }
    CHECK(values_of(stream, sum) == Values(kCount, 55.0));
  }
}

TEST_CASE("copies to and from a part of a tensor leave the rest alone") {
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    const Tensor tensor = tensor_of(stream, {4, 3}, Values(12, 1.0));
    const std::vector<float> numbers = {5, 6, 7};
    copy_from_host(stream, std::span<const float>(numbers), tensor.rows(2, 3));
    CHECK(values_of(stream, tensor) == Values{1, 1, 1, 1, 1, 1, 5, 6, 7, 1, 1, 1});
    CHECK(values_of(stream, tensor.rows(2, 3)) == Values{5, 6, 7});
  }
}

TEST_CASE("a copy that was started has what the stream wrote before it, and lets the host go on") {
  constexpr std::int64_t kCount = 1 << 20;
  for (DeviceUnderTest& device : devices_under_test()) {
    for (const auto& stream : device.streams) {
      const HostMemory memory(stream->device(), 2 * kCount * size_of(DType::float32));
      const auto bytes = memory.bytes();
      const Tensor sum = tensor_of(*stream, {kCount}, Values(kCount, 0.0));
      const Tensor one = tensor_of(*stream, {kCount}, Values(kCount, 1.0));
      for (int round = 0; round < 10; ++round) {
        add(*stream, {sum, one, sum});
      }
      start_copy_to_host(*stream, {sum, bytes.first(bytes.size() / 2)});
      add(*stream, {sum, one, sum});
      start_copy_to_host(*stream, {sum, bytes.subspan(bytes.size() / 2)});
      Event end;
      stream->record(end);
      stream->synchronize(end);
      const auto* values = reinterpret_cast<const float*>(bytes.data());
      CHECK(std::all_of(values, values + kCount, [](float value) { return value == 10; }));
      CHECK(std::all_of(values + kCount, values + 2 * kCount,
                        [](float value) { return value == 11; }));
    }
  }
}

TEST_CASE("copies on a second stream run beside the first, which waits for them by an event") {
  constexpr std::int64_t kCount = 1 << 22;
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    const auto copies = make_stream(stream.device(), {});
    const HostMemory memory(stream.device(), kCount * size_of(DType::float32));
    const Tensor sum = tensor_of(stream, {kCount}, Values(kCount, 0.0));
    const Tensor one = tensor_of(stream, {kCount}, Values(kCount, 1.0));
    for (int round = 1; round <= 10; ++round) {
      add(stream, {sum, one, sum});
      Event issued;
      Event copied;
      stream.record(issued);
      copies->wait(issued);
      start_copy_to_host(*copies, {sum, memory.bytes()});
      copies->record(copied);
      stream.wait(copied);
      fill_zero(stream, {sum});  // at once, for the host
      copies->synchronize(copied);
      const auto* values = reinterpret_cast<const float*>(memory.bytes().data());
      CHECK(std::all_of(values, values + kCount, [](float value) { return value == 1; }));
    }
  }
}

TEST_CASE("memory of the host for copies may have no bytes, and is given back") {
  for (DeviceUnderTest& device : devices_under_test()) {
    const Device on = device.streams.front()->device();
    CHECK(HostMemory(on, 0).bytes().empty());
    for (int round = 0; round < 3; ++round) {
      CHECK(HostMemory(on, std::int64_t{200} << 20).bytes().size() == std::size_t{200} << 20);
    }
  }
}

TEST_CASE("copies refuse what does not fit") {
  refuses(
      [](Stream& stream) {
        const std::vector<float> numbers(3);
        copy_from_host(stream, std::span<const float>(numbers), poisoned(stream, {4}));
      },
      "[copy_from_host] float32 [4] has 16 bytes, and the host's memory 12");
  refuses(
      [](Stream& stream) {
        std::vector<float> numbers(4);
        copy_to_host(stream, poisoned(stream, {4}, DType::int32), std::span<float>(numbers));
      },
      "[copy_to_host] the tensor holds int32, not float32");
  refuses([](Stream& stream) { copy_from_host(stream, {{}, Tensor()}); }, "the tensor is missing");
  refuses(
      [](Stream& stream) {
        start_copy_to_host(stream, {poisoned(stream, {4}), {}});
      },
      "[start_copy_to_host] float32 [4] has 16 bytes, and the host's memory 0");
}

}  // namespace stagecraft::testing
