#include "kernels/core/tensor.h"

#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"
#include "kernels/core/stream.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

std::unique_ptr<Stream> cpu_stream() { return make_stream({DeviceKind::cpu, 0}, {}); }

Tensor counting(Stream& stream, const Shape& shape) {
  Tensor tensor(stream.memory(), shape, DType::float32, MemoryLabel::workspace);
  for (std::int64_t i = 0; i < tensor.elements(); ++i) {
    tensor.data<float>()[i] = static_cast<float>(i);
  }
  return tensor;
}

}  // namespace

TEST_CASE("a tensor knows its shape and bytes") {
  const auto stream = cpu_stream();
  const Tensor tensor(stream->memory(), {2, 3, 4}, DType::float64, MemoryLabel::workspace);
  CHECK(tensor.rank() == 3);
  CHECK(tensor.size(1) == 3);
  CHECK(tensor.elements() == 24);
  CHECK(tensor.bytes() == 192);
  CHECK(to_string(tensor.shape()) == "[2, 3, 4]");
  CHECK(!tensor.empty());
  CHECK(Tensor().empty());
}

TEST_CASE("every dtype has a size and a name, and what is none has neither") {
  CHECK(size_of(DType::float32) == 4);
  CHECK(size_of(DType::float64) == 8);
  CHECK(size_of(DType::int32) == 4);
  CHECK(size_of(DType::bfloat16) == 2);
  CHECK(to_string(DType::bfloat16) == "bfloat16");
  CHECK_THROWS_WITH(size_of(static_cast<DType>(9)), "[size_of] 9 is no dtype");
  CHECK_THROWS_WITH(to_string(static_cast<DType>(9)), "[to_string] 9 is no dtype");
}

TEST_CASE("rows share the bytes of their tensor") {
  const auto stream = cpu_stream();
  const Tensor tensor = counting(*stream, {4, 3});
  const Tensor rows = tensor.rows(1, 3);
  CHECK(rows.shape() == Shape{2, 3});
  CHECK(rows.data<float>()[0] == 3.0F);
  rows.data<float>()[0] = 50;
  CHECK(tensor.data<float>()[3] == 50.0F);
  CHECK(rows.rows(1, 2).data<float>()[2] == 8.0F);
  CHECK(tensor.rows(4, 4).elements() == 0);
  CHECK(stream->memory().account()->total().current == 48);
}

TEST_CASE("a view is the same elements under another shape") {
  const auto stream = cpu_stream();
  const Tensor tensor = counting(*stream, {4, 3});
  const Tensor view = tensor.rows(2, 4).view({3, 2});
  CHECK(view.shape() == Shape{3, 2});
  CHECK(view.data<float>()[0] == 6.0F);
  CHECK(view.buffer() == tensor.buffer());
}

TEST_CASE("columns share the bytes of their matrix, with its rows apart") {
  const auto stream = cpu_stream();
  const Tensor matrix = counting(*stream, {4, 5});
  const Tensor columns = matrix.columns(1, 3);
  CHECK(columns.shape() == Shape{4, 2});
  CHECK(!columns.contiguous());
  CHECK(columns.row_stride() == 5);
  CHECK(columns.bytes() == 32);
  CHECK(columns.extent_bytes() == 68);
  CHECK(columns.matrix<float>().row(2)[1] == 12.0F);
  const Tensor part = columns.rows(1, 4).columns(1, 2);
  CHECK(part.shape() == Shape{3, 1});
  CHECK(part.matrix<float>().row(1)[0] == 12.0F);
  CHECK(matrix.columns(0, 5).contiguous());
  CHECK(matrix.matrix<float>().row_stride == 5);
  CHECK(matrix.columns(2, 2).elements() == 0);
}

TEST_CASE("a column range is not taken for a contiguous tensor") {
  const auto stream = cpu_stream();
  const Tensor columns = counting(*stream, {4, 5}).columns(1, 3);
  CHECK_THROWS_WITH(columns.data<float>(), Contains("is not contiguous"));
  CHECK_THROWS_WITH(columns.raw(), Contains("rows of 5 elements"));
  CHECK_THROWS_WITH(columns.view({8}), Contains("is not contiguous"));
  CHECK_THROWS_WITH(columns.columns(1, 3), Contains("not within [4, 2]"));
  CHECK_THROWS_WITH(counting(*stream, {4}).columns(0, 1), Contains("not within [4]"));
}

TEST_CASE("the last handle ends the charge") {
  const auto stream = cpu_stream();
  Tensor rows;
  {
    const Tensor tensor = counting(*stream, {4, 3});
    rows = tensor.rows(0, 1);
  }
  CHECK(stream->memory().account()->total().current == 48);
  rows = {};
  CHECK(stream->memory().account()->total().current == 0);
}

TEST_CASE("a tensor refuses what it does not hold") {
  const auto stream = cpu_stream();
  const Tensor tensor = counting(*stream, {4, 3});
  CHECK_THROWS_WITH(tensor.data<double>(), "[Tensor::data] the tensor holds float32, not float64");
  CHECK_THROWS_WITH(tensor.view({5, 3}), "[Tensor::view] [4, 3] cannot be seen as [5, 3]");
  CHECK_THROWS_WITH(tensor.rows(3, 5), "[Tensor::rows] rows 3 .. 5 are not within [4, 3]");
  CHECK_THROWS_AS(tensor.rows(2, 1), Error);
  CHECK_THROWS_AS(Tensor(tensor.buffer(), 4, {12}, DType::float32), Error);
  CHECK_THROWS_AS(Tensor(nullptr, 0, {1}, DType::float32), Error);
}

}  // namespace stagecraft
