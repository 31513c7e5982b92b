#include "kernels/ops/access.h"

#include <catch2/catch.hpp>
#include <string>

#include "kernels/backends/make_stream.h"
#include "kernels/ops/attention.h"
#include "kernels/ops/embedding.h"
#include "kernels/ops/matmul.h"
#include "kernels/ops/reduce.h"

namespace stagecraft {
namespace {

class Maker {
 public:
  Tensor operator()(const Shape& shape, DType dtype = DType::float32) const {
    return {stream_->memory(), shape, dtype, MemoryLabel::workspace};
  }

 private:
  std::unique_ptr<Stream> stream_ = make_stream({}, {});
};

template <typename Args>
std::string accesses(const Args& args) {
  std::string text;
  for_each_tensor(args, [&](const Tensor& tensor, Access access) {
    text += to_string(tensor.shape()) + (access == Access::read    ? " r "
                                         : access == Access::write ? " w "
                                                                   : " rw ");
  });
  return text;
}

TEST_CASE("tensors that are empty are passed over, and accumulate decides whether sums are read") {
  const Maker make;
  Matmul product{.a = make({2, 3}), .b = make({3, 4}), .c = make({2, 4})};
  CHECK(accesses(product) == "[2, 3] r [3, 4] r [2, 4] w ");
  product.accumulate = true;
  CHECK(accesses(product) == "[2, 3] r [3, 4] r [2, 4] rw ");
  product.bias = make({4});
  CHECK(accesses(product) == "[2, 3] r [3, 4] r [2, 4] rw [4] r ");
  CHECK(accesses(SumsOfSquares{{make({5}), make({6})}, make({2}, DType::float64)}) ==
        "[5] r [6] r [2] w ");
}

TEST_CASE("a batch of products has the tensors of its joined product") {
  const Maker make;
  MatmulBatch batch{.joined = {.a = make({2, 3}), .b = make({6, 4}), .c = make({2, 8})},
                    .count = 2,
                    .b = BatchPart::rows};
  CHECK(accesses(batch) == "[2, 3] r [6, 4] r [2, 8] w ");
  batch.joined.accumulate = true;
  CHECK(accesses(batch) == "[2, 3] r [6, 4] r [2, 8] rw ");
  CHECK(bytes_of(batch) == 4 * (6 + 24 + 2 * 16));
  CHECK(flops_of(batch) == 2 * (2 * 2 * 3 * 4));
}

TEST_CASE("a tensor that is replaced is the one that the operation gets") {
  const Maker make;
  ActivationForward args{.x = make({4}), .y = make({4})};
  const Tensor other = make({4});
  for_each_tensor(args, [&](Tensor& tensor, Access access) {
    if (access == Access::write) {
      tensor = other;
    }
  });
  CHECK(args.y.raw() == other.raw());
  CHECK(args.x.raw() != other.raw());
}

TEST_CASE("bytes: what is read and what is written, by dtype") {
  const Maker make;
  CHECK(bytes_of(ActivationForward{make({10}), make({10})}) == 80);
  CHECK(bytes_of(ActivationForward{make({10}, DType::bfloat16), make({10}, DType::bfloat16)}) ==
        40);
  BiasGradient sum{.dy = make({6, 10}), .dbias = make({10})};
  CHECK(bytes_of(sum) == 240 + 80);
  sum.accumulate = false;
  CHECK(bytes_of(sum) == 240 + 40);
}

TEST_CASE("bytes of embeddings: the rows of a table that are used") {
  const Maker make;
  const Tensor table = make({100, 8});  // 32 bytes a row
  const Tensor rows = make({6, 8});
  CHECK(bytes_of(TokenEmbeddingForward{
            .tokens = make({6}, DType::int32), .table = table, .y = rows}) == 6 * 4 + 2 * 6 * 32);
  TokenEmbeddingBackward tokens{.order = make({2, 6}, DType::int32), .dy = rows, .dtable = table};
  CHECK(bytes_of(tokens) == 48 + 6 * 32 + 2 * 6 * 32);
  tokens.accumulate = false;
  CHECK(bytes_of(tokens) == 48 + 6 * 32 + 100 * 32);
  CHECK(bytes_of(PositionEmbeddingForward{
            .x = rows, .table = table, .dropout = {.rows_per_sample = 3}, .y = rows}) ==
        2 * 6 * 32 + 3 * 32);
  PositionEmbeddingBackward positions{.dy = rows, .rows_per_sample = 3, .dtable = table};
  CHECK(bytes_of(positions) == 6 * 32 + 2 * 3 * 32);
}

TEST_CASE("flops: products and attention") {
  const Maker make;
  const Tensor a = make({2, 3});
  CHECK(flops_of(Matmul{.a = a, .b = make({3, 4}), .c = make({2, 4})}) == 2 * 2 * 3 * 4);
  CHECK(flops_of(Matmul{.a = {a, Transpose::yes}, .b = make({2, 4}), .c = make({3, 4})}) ==
        2 * 2 * 3 * 4);
  const AttentionShape shape{
      .samples = 2, .sequence = 16, .heads = 3, .head_size = 8, .dropout = {}};
  AttentionForward forward;
  forward.shape = shape;
  CHECK(flops_of(forward) == 2 * 2 * 3 * 16 * 16 * 8);
  AttentionBackward backward;
  backward.shape = shape;
  CHECK(flops_of(backward) == 4 * 2 * 3 * 16 * 16 * 8);
  forward.shape.causal = false;
  CHECK(flops_of(forward) == 2 * 2 * 3 * 16 * 16 * 8 * 2);
  CHECK(flops_of(ActivationForward{a, a}) == 0);
}

}  // namespace
}  // namespace stagecraft
