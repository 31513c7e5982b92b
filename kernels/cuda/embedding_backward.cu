// The gradient of the token table without atomics: rows are grouped by their token, and every warp
// adds as many of them to a strip of columns, whatever their tokens are. What a token has in
// several such chunks is joined behind that.
#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/embedding.h"
#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/join.cuh"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/token_groups.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kPlace = "token_embedding_backward";
constexpr int kWarps = 4;
constexpr unsigned kThreads = kWarps * kWarp;
constexpr int kChunk = kWarp;  // rows
constexpr std::int32_t kNone = -1;

/// Rows as TokenGroups has them.
struct Grouped {
  explicit Grouped(const TokenGroups& groups)
      : rows(groups.rows.data<std::int32_t>()),
        tokens(groups.tokens.data<std::int32_t>()),
        count(groups.count.data<std::int32_t>()) {}

  __device__ std::int32_t token(std::int32_t at) const {
    return at >= 0 && at < *count ? tokens[at] : kNone;
  }
  /// Whether rows at - 1 and at have one token.
  __device__ bool goes_on(std::int32_t at) const {
    return token(at) != kNone && token(at - 1) == token(at);
  }

  const std::int32_t* rows;
  const std::int32_t* tokens;
  const std::int32_t* count;
};

/// Sums of a token's rows in one chunk where it has rows in others too.
struct Pieces {
  /// Of the first token of a chunk, begun in an earlier one; or of the last, begun in this.
  __device__ float* of(std::int32_t chunk, bool begun) const {
    return sums + (std::int64_t{chunk} * 2 + (begun ? 1 : 0)) * h;
  }

  float* sums;  // [chunks, 2, h]
  std::int64_t h;
};

template <typename T>
struct TableSums {
  Grouped grouped;
  const T* dy;
  std::int64_t h;
  float* dtable;
  Pieces pieces;
};

__device__ int lane_index() { return static_cast<int>(threadIdx.x) % kWarp; }
__device__ std::int32_t chunk_index() {
  return static_cast<std::int32_t>(blockIdx.x * kWarps + threadIdx.x / kWarp);
}

/// A warp's share of a row: groups lane, lane + 32, ..
constexpr int kParts = 2;
constexpr std::int64_t kStrip = kParts * kWarp * kGroup;

struct Strip {
  __device__ explicit Strip(std::int64_t columns)
      : first(blockIdx.y * kStrip + lane_index() * kGroup), end(columns) {}

  __device__ std::int64_t column(int part) const { return first + part * kWarp * kGroup; }
  __device__ bool holds(int part) const { return column(part) < end; }

  std::int64_t first;
  std::int64_t end;
};

/// sums += dy[rows of lanes begin .. end - 1], in this order; several loads are under way at a
/// time.
template <bool Wide, typename T>
__device__ void add_rows(const TableSums<T>& on, std::int32_t lanes_row, int begin, int end,
                         const Strip& strip, float4 (&sums)[kParts]) {
  constexpr int kAhead = 16 / sizeof(T);
  for (; begin < end; begin += kAhead) {
    Packed<T> terms[kAhead][kParts];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const T* const row = on.dy + __shfl_sync(kAllLanes, lanes_row, begin + i) * on.h;
#pragma unroll
      for (int p = 0; p < kParts; ++p) {
        terms[i][p] = begin + i < end && strip.holds(p)
                          ? load_packed<Wide>(row, strip.column(p), on.h)
                          : Packed<T>{};
      }
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
#pragma unroll
      for (int p = 0; p < kParts; ++p) {
        sums[p] = begin + i < end ? sums[p] + unpacked<T>(terms[i][p]) : sums[p];
      }
    }
  }
}

/// A warp a chunk.
template <bool Wide, typename T>
__global__ void __launch_bounds__(kThreads) chunk_sums_kernel(TableSums<T> on) {
  const std::int32_t chunk = chunk_index();
  const std::int32_t first = chunk * kChunk;
  const std::int32_t lanes_token = on.grouped.token(first + lane_index());
  const std::int32_t lanes_row = lanes_token != kNone ? on.grouped.rows[first + lane_index()] : 0;
  const bool from_before = on.grouped.goes_on(first);
  const bool goes_on = on.grouped.goes_on(first + kChunk);
  const Strip strip(on.h);
  for (int begin = 0; begin < kChunk;) {
    const std::int32_t token = __shfl_sync(kAllLanes, lanes_token, begin);
    if (token == kNone) {
      return;
    }
    const int end = begin + __popc(__ballot_sync(kAllLanes, lanes_token == token));
    const bool begun = begin > 0 || !from_before;
    const bool whole = begun && (end < kChunk || !goes_on);
    float* const to = whole ? on.dtable + token * on.h : on.pieces.of(chunk, begun);
    float4 sums[kParts];
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      sums[p] = whole && strip.holds(p) ? load_packed<Wide>(to, strip.column(p), on.h) : float4{};
    }
    add_rows<Wide>(on, lanes_row, begin, end, strip, sums);
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      if (strip.holds(p)) {
        store_packed<Wide>(to, strip.column(p), on.h, sums[p]);
      }
    }
    begin = end;
  }
}

/// The last chunk of a token's rows, which fill `chunk` to its end and go on; for a whole warp.
__device__ std::int32_t last_chunk(const Grouped& grouped, std::int32_t chunk) {
  const std::int32_t token = grouped.token((chunk + 1) * kChunk - 1);
  for (;;) {
    const std::int32_t end = (chunk + 2 + lane_index()) * kChunk;  // of a chunk behind
    const bool filled = grouped.token(end - 1) == token && grouped.goes_on(end);
    const unsigned not_filled = ~__ballot_sync(kAllLanes, filled);
    if (not_filled != 0) {
      return chunk + __ffs(static_cast<int>(not_filled));
    }
    chunk += kWarp;
  }
}

/// A warp for a token that begins in a chunk and goes on in others: a lane joins a group of columns
/// of its pieces, in their order.
template <bool Wide>
__global__ void __launch_bounds__(kThreads)
    join_pieces_kernel(Grouped grouped, Pieces pieces, float* dtable) {
  constexpr int kAhead = 16;
  const std::int32_t chunk = chunk_index();
  const std::int32_t first = chunk * kChunk;
  const std::int32_t token = grouped.token(first + kChunk - 1);
  const bool begun = grouped.token(first) != token || !grouped.goes_on(first);
  if (!begun || !grouped.goes_on(first + kChunk)) {
    return;
  }
  const std::int32_t last = last_chunk(grouped, chunk);
  const std::int64_t column =
      (static_cast<std::int64_t>(blockIdx.y) * kWarp + lane_index()) * kGroup;
  if (column >= pieces.h) {
    return;
  }
  float4 sum = load_packed<Wide>(pieces.of(chunk, true), column, pieces.h);
  for (std::int32_t at = chunk + 1; at <= last; at += kAhead) {
    float4 terms[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      terms[i] = load_packed<Wide>(pieces.of(min(at + i, last), false), column, pieces.h);
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      sum = at + i <= last ? sum + terms[i] : sum;
    }
  }
  float* const to = dtable + token * pieces.h;
  store_packed<Wide>(to, column, pieces.h, load_packed<Wide>(to, column, pieces.h) + sum);
}

}  // namespace

void token_embedding_backward(Stream& stream, const TokenEmbeddingBackward& args) {
  if (!args.accumulate) {
    cuda::fill_zero(stream, {args.dtable});
  }
  constexpr std::int64_t kLargest = std::int64_t{1} << 30;
  const std::int64_t rows = args.tokens.size(0);
  const std::int64_t held = args.dtable.size(0);
  const std::int64_t h = args.dtable.size(1);
  require(rows < kLargest && args.first_token + held < kLargest, kPlace,
          "{} rows or {} tokens are more than 2^30", rows, args.first_token + held);
  if (rows == 0 || held == 0) {
    return;
  }
  const TokenGroups groups(stream, args.tokens, args.first_token, held);
  const std::int64_t chunks = parts_of(rows, kChunk);
  const Tensor pieces(stream.memory(), {chunks, 2, h}, DType::float32, MemoryLabel::workspace);
  with_element(args.dy.dtype(), [&]<typename T>() {
    const TableSums<T> on = {.grouped = Grouped(groups),
                             .dy = args.dy.data<T>(),
                             .h = h,
                             .dtable = args.dtable.data<float>(),
                             .pieces = {.sums = pieces.data<float>(), .h = h}};
    const bool wide = moves_wide({on.dy, on.dtable, on.pieces.sums}, h);
    Grid grid{
        .blocks = parts_of(chunks, kWarps), .threads = kThreads, .strips = parts_of(h, kStrip)};
    launch(stream, kPlace, grid, wide ? chunk_sums_kernel<true, T> : chunk_sums_kernel<false, T>,
           on);
    grid.strips = parts_of(h, kWarp * kGroup);
    launch(stream, kPlace, grid, wide ? join_pieces_kernel<true> : join_pieces_kernel<false>,
           on.grouped, on.pieces, on.dtable);
  });
}

}  // namespace stagecraft::cuda
