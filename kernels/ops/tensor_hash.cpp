#include "kernels/ops/tensor_hash.h"

#include "kernels/ops/checks.h"
#include "kernels/ops/dispatch.h"

namespace stagecraft {
namespace {

constexpr std::string_view kWhere = "tensor_hashes";

void check_part(const Tensor& x, const HashedRows& part, std::int64_t hashes) {
  constexpr std::int64_t kTooMany = std::int64_t{1} << 32;
  expect_dtype(kWhere, "x", x);
  require(0 <= part.hash && part.hash < hashes, kWhere, "a part of hash {} of {}", part.hash,
          hashes);
  require(part.rows >= 0 && part.columns >= 0 && part.stride >= 0 && part.first >= 0 &&
              part.whole_stride >= 0,
          kWhere, "a negative number in {} rows of {}", part.rows, part.columns);
  require(part.columns == 0 || part.rows < kTooMany / part.columns, kWhere,
          "{} rows of {} are too many: a part has fewer than 2^32 elements", part.rows,
          part.columns);
  const bool none = part.rows == 0 || part.columns == 0;
  const std::int64_t needed = none ? 0 : (part.rows - 1) * part.stride + part.columns;
  require(needed <= x.elements(), kWhere, "x has {} elements: its {} rows of {} need {}",
          x.elements(), part.rows, part.columns, needed);
}

}  // namespace

void tensor_hashes(Stream& stream, const TensorHashes& args) {
  require(args.x.size() == args.rows.size(), kWhere, "{} tensors, and rows of {}", args.x.size(),
          args.rows.size());
  expect_rank(kWhere, "out", args.out, 2, DType::int32);
  expect_shape(kWhere, "out", args.out, {args.out.size(0), 2}, DType::int32);
  for (std::size_t i = 0; i < args.x.size(); ++i) {
    check_part(args.x[i], args.rows[i], args.out.size(0));
  }
  dispatch(stream, args);
}

}  // namespace stagecraft
