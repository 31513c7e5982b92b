// The gradient of the token table, whose order of summation is always the same. In the order of
// their tokens, every warp adds as many rows, whatever their tokens are, to a strip of columns;
// what a token has in several warps of a block is added by one of them, and what it has in several
// blocks by a second kernel.
#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/reduce_lanes.cuh"
#include "kernels/cuda/runtime/launch.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/embedding.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kWhere = "token_embedding_backward";
constexpr int kWarps = 8;
constexpr unsigned kThreads = kWarps * kWarp;
constexpr int kBlocksAtOnce = 4;  // on a multiprocessor, for which registers have to do
constexpr int kWarpRows = kWarp;
constexpr int kBlockRows = kWarps * kWarpRows;
constexpr std::int32_t kNone = -1;

/// Rows by their tokens.
struct Order {
  explicit Order(const TokenEmbeddingBackward& args)
      : tokens(args.order.data<std::int32_t>()),
        count(static_cast<std::int32_t>(args.order.size(1))),
        first_token(static_cast<std::int32_t>(args.first_token)),
        held(static_cast<std::uint32_t>(args.dtable.size(0))) {}

  __device__ std::int32_t row(std::int32_t at) const { return at < count ? tokens[count + at] : 0; }
  /// From the first that is held, or kNone.
  __device__ std::int32_t token(std::int32_t at) const {
    if (at < 0 || at >= count) {
      return kNone;
    }
    const std::int32_t found = tokens[at] - first_token;
    return static_cast<std::uint32_t>(found) < held ? found : kNone;
  }
  /// Whether rows at - 1 and at have one token that is held.
  __device__ bool goes_on(std::int32_t at) const {
    return token(at) != kNone && token(at - 1) == token(at);
  }

  const std::int32_t* tokens;  // [2, count]
  std::int32_t count;
  std::int32_t first_token;
  std::uint32_t held;
};

__device__ int lane_index() { return static_cast<int>(threadIdx.x) % kWarp; }
__device__ int warp_index() { return static_cast<int>(threadIdx.x) / kWarp; }

/// A lane's share of a row: groups lane, lane + 32, ..
constexpr int kParts = 2;
constexpr int kStripGroups = kParts * kWarp;
constexpr std::int64_t kStrip = kStripGroups * kGroup;
using LaneSums = float4[kParts];

/// Columns of all rows.
struct Strip {
  __device__ explicit Strip(std::int64_t columns)
      : first(blockIdx.y * kStrip + lane_index() * kGroup), end(columns) {}

  __device__ std::int64_t column(int part) const { return first + part * kWarp * kGroup; }
  __device__ bool holds(int part) const { return column(part) < end; }

  std::int64_t first;
  std::int64_t end;
};

/// What a token has of the rows of one warp or block when it has others too. A warp or a block has
/// two such tokens at most: that of its first row, begun earlier, and one that it begins and that
/// goes on.
struct Pieces {
  __device__ float4& of(std::int32_t index, bool begun, int part) const {
    return sums[(std::int64_t{index} * 2 + (begun ? 1 : 0)) * stride + part * kWarp];
  }
  __device__ void store(std::int32_t index, bool begun, const LaneSums& from) const {
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      of(index, begun, p) = from[p];
    }
  }

  float4* sums;  // of this lane
  std::int64_t stride;
};

template <typename T>
struct TableSums {
  Order order;
  const T* dy;
  std::int64_t h;
  float* dtable;
  float4* pieces;  // [blocks, 2, strips * kStripGroups]
};

/// To columns of a row of the table that `strip` holds.
template <bool Vectorized>
__device__ void store_row(float* to, std::int64_t h, const Strip& strip, const LaneSums& before,
                          const LaneSums& sums) {
#pragma unroll
  for (int p = 0; p < kParts; ++p) {
    if (strip.holds(p)) {
      store_packed<Vectorized>(to, strip.column(p), h, before[p] + sums[p]);
    }
  }
}

template <bool Vectorized>
__device__ void add_to_row(float* row, std::int64_t h, const Strip& strip, const LaneSums& sums) {
  LaneSums before;
#pragma unroll
  for (int p = 0; p < kParts; ++p) {
    before[p] = strip.holds(p) ? load_packed<Vectorized>(row, strip.column(p), h) : float4{};
  }
  store_row<Vectorized>(row, h, strip, before, sums);
}

/// What a warp knows of its rows.
struct WarpRows {
  __device__ WarpRows(const Order& order, std::int32_t first)
      : token(order.token(first + lane_index())), row(order.row(first + lane_index())) {
    const std::int32_t token_before = order.token(first - 1);
    const std::int32_t token_behind = order.token(first + kWarpRows);
    const std::int32_t next = __shfl_down_sync(kAllLanes, token, 1);
    held = __ballot_sync(kAllLanes, token != kNone);
    ends = held & __ballot_sync(kAllLanes, lane_index() == kWarp - 1 || next != token);
    const bool begun = (held & 1) != 0 && __shfl_sync(kAllLanes, token, 0) == token_before;
    const bool goes_on =
        held >> (kWarp - 1) != 0 && __shfl_sync(kAllLanes, token, kWarp - 1) == token_behind;
    from_before = begun ? ends & (~ends + 1) : 0;
    whole = ends & ~(from_before | (goes_on ? 1U << (kWarp - 1) : 0));
  }

  /// Whether `count` rows from `begin` on are held and go on: there is nothing but to add them.
  __device__ bool only_add(int begin, int count) const {
    const unsigned rows = ((1U << count) - 1) << begin;
    return begin + count <= kWarpRows && (held & rows) == rows && (ends & rows) == 0;
  }

  std::int32_t token;    // of this lane's row
  std::int32_t row;      // likewise
  unsigned held;         // by lanes
  unsigned ends;         // rows that are the last of their token here
  unsigned from_before;  // the one of them whose token has earlier rows
  unsigned whole;        // those whose tokens have no others
};

/// sums += the next Count rows of a warp.
template <bool Vectorized, int Count, typename T>
__device__ void add_rows(const TableSums<T>& on, const WarpRows& rows, int begin,
                         const Strip& strip, LaneSums& sums) {
  Packed<T> terms[Count][kParts];
#pragma unroll
  for (int i = 0; i < Count; ++i) {
    const T* const row = on.dy + __shfl_sync(kAllLanes, rows.row, begin + i) * on.h;
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      terms[i][p] =
          strip.holds(p) ? load_packed<Vectorized>(row, strip.column(p), on.h) : Packed<T>{};
    }
  }
#pragma unroll
  for (int i = 0; i < Count; ++i) {
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      sums[p] = sums[p] + unpacked<T>(terms[i][p]);
    }
  }
}

/// Likewise rows some of which are not held or the last of their token, whose sums go to the table
/// or, where it has others, to pieces[at].
template <bool Vectorized, int Count, typename T>
__device__ void add_and_store_rows(const TableSums<T>& on, const WarpRows& rows, int begin,
                                   const Strip& strip, LaneSums& sums, const Pieces& pieces,
                                   int at) {
  Packed<T> terms[Count][kParts];
  float4 before[Count][kParts];
  float* to[Count];
#pragma unroll
  for (int i = 0; i < Count; ++i) {
    const unsigned lane = 1U << (begin + i);
    const T* const row = on.dy + __shfl_sync(kAllLanes, rows.row, begin + i) * on.h;
    to[i] = on.dtable + __shfl_sync(kAllLanes, rows.token, begin + i) * on.h;
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      terms[i][p] = (rows.held & lane) != 0 && strip.holds(p)
                        ? load_packed<Vectorized>(row, strip.column(p), on.h)
                        : Packed<T>{};
      before[i][p] = (rows.whole & lane) != 0 && strip.holds(p)
                         ? load_packed<Vectorized>(to[i], strip.column(p), on.h)
                         : float4{};
    }
  }
#pragma unroll
  for (int i = 0; i < Count; ++i) {
    const unsigned lane = 1U << (begin + i);
#pragma unroll
    for (int p = 0; p < kParts; ++p) {
      sums[p] = sums[p] + unpacked<T>(terms[i][p]);
    }
    if ((rows.ends & lane) != 0) {
      if ((rows.whole & lane) != 0) {
        store_row<Vectorized>(to[i], on.h, strip, before[i], sums);
      } else {
        pieces.store(at, (rows.from_before & lane) == 0, sums);
      }
#pragma unroll
      for (int p = 0; p < kParts; ++p) {
        sums[p] = {};
      }
    }
  }
}

template <bool Vectorized, typename T>
__device__ void add_warps_rows(const TableSums<T>& on, std::int32_t first, const Strip& strip,
                               const Pieces& pieces, int at) {
  constexpr int kMany = 16 / sizeof(T);
  constexpr int kFew = 2;
  const WarpRows rows(on.order, first);
  LaneSums sums = {};
  for (int begin = 0; begin < kWarpRows && rows.held >> begin != 0;) {
    if (rows.only_add(begin, kMany)) {
      add_rows<Vectorized, kMany>(on, rows, begin, strip, sums);
      begin += kMany;
    } else {
      add_and_store_rows<Vectorized, kFew>(on, rows, begin, strip, sums, pieces, at);
      begin += kFew;
    }
  }
}

/// Neighbouring warps' or blocks' pieces.
struct Level {
  Pieces pieces;
  std::int32_t first;  // index of the row at which the first begins
  int rows;            // of each
  int count;

  __device__ std::int32_t begin(int at) const { return first + at * rows; }
};

/// The last of those behind `at` that begin with rows of `token`, which all but it have alone.
__device__ int last_with(const Order& order, const Level& level, std::int32_t token, int at) {
  for (;; at += kWarp) {
    const int behind = at + 1 + lane_index();
    const bool has = behind < level.count && order.token(level.begin(behind)) == token;
    const unsigned without = ~__ballot_sync(kAllLanes, has);
    if (without != 0) {
      return at + __ffs(static_cast<int>(without)) - 1;
    }
  }
}

/// Adds pieces at .. last in their order; the first of them as it is.
template <int kAtOnce>
__device__ void combine(const Pieces& pieces, int at, bool begun, int last, LaneSums& sums) {
#pragma unroll
  for (int p = 0; p < kParts; ++p) {
    sums[p] = pieces.of(at, begun, p);
  }
  for (++at; at <= last; at += kAtOnce) {
    float4 terms[kAtOnce][kParts];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
#pragma unroll
      for (int p = 0; p < kParts; ++p) {
        terms[i][p] = pieces.of(min(at + i, last), false, p);
      }
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
#pragma unroll
      for (int p = 0; p < kParts; ++p) {
        sums[p] = at + i <= last ? sums[p] + terms[i][p] : sums[p];
      }
    }
  }
}

/// What a token has in pieces that one of a level begins and the next go on with.
struct Span {
  std::int32_t token = kNone;  // kNone: there is no such token
  int last = 0;                // that has rows of it
  bool goes_on = false;        // behind the level's last
};

/// For a whole warp: the span that `at` begins.
__device__ Span begun_in(const Order& order, const Level& level, int at) {
  const std::int32_t begin = level.begin(at);
  const std::int32_t end = level.begin(at + 1);
  const std::int32_t token = order.token(end - 1);
  const bool begun = order.token(begin) != token || !order.goes_on(begin);
  if (!begun || !order.goes_on(end)) {
    return {};
  }
  const int last = last_with(order, level, token, at);
  return {token, last, last + 1 == level.count && order.token(level.begin(level.count)) == token};
}

template <typename T>
__device__ Level blocks_of(const TableSums<T>& on, int count) {
  return {
      .pieces = {on.pieces + blockIdx.y * kStripGroups + lane_index(), gridDim.y * kStripGroups},
      .first = 0,
      .rows = kBlockRows,
      .count = count};
}

template <bool Vectorized, typename T>
__global__ void __launch_bounds__(kThreads, kBlocksAtOnce) table_sums_kernel(TableSums<T> on) {
  let_next_begin();
  __shared__ float4 warps_sums[kWarps][2][kStripGroups];
  const auto block = static_cast<std::int32_t>(blockIdx.x);
  const Strip strip(on.h);
  const Level warps = {.pieces = {&warps_sums[0][0][lane_index()], kStripGroups},
                       .first = block * kBlockRows,
                       .rows = kWarpRows,
                       .count = kWarps};
  const Pieces blocks = blocks_of(on, 0).pieces;
  add_warps_rows<Vectorized>(on, warps.begin(warp_index()), strip, warps.pieces, warp_index());
  __syncthreads();
  const Span begun = begun_in(on.order, warps, warp_index());
  if (begun.token != kNone) {
    LaneSums sums;
    combine<1>(warps.pieces, warp_index(), true, begun.last, sums);
    if (begun.goes_on) {
      blocks.store(block, true, sums);
    } else {
      add_to_row<Vectorized>(on.dtable + begun.token * on.h, on.h, strip, sums);
    }
  }
  if (warp_index() == 0 && on.order.goes_on(warps.first)) {
    LaneSums sums;
    combine<1>(warps.pieces, 0, false, last_with(on.order, warps, on.order.token(warps.first), 0),
               sums);
    blocks.store(block, false, sums);
  }
}

/// A warp a block of the kernel before.
template <bool Vectorized, typename T>
__global__ void __launch_bounds__(kThreads) reduce_blocks_kernel(TableSums<T> on, int count) {
  const Level blocks = blocks_of(on, count);
  const int at = static_cast<int>(blockIdx.x) * kWarps + warp_index();
  const Span begun = at < count ? begun_in(on.order, blocks, at) : Span{};
  wait_for_earlier();
  if (begun.token != kNone) {
    LaneSums sums;
    combine<8>(blocks.pieces, at, true, begun.last, sums);
    add_to_row<Vectorized>(on.dtable + begun.token * on.h, on.h, Strip(on.h), sums);
  }
}

}  // namespace

void token_embedding_backward(Stream& stream, const TokenEmbeddingBackward& args) {
  if (!args.accumulate) {
    dispatch(stream, FillZero{args.dtable});
  }
  constexpr std::int64_t kLargest = std::int64_t{1} << 30;
  const std::int64_t rows = args.order.size(1);
  const std::int64_t held = args.dtable.size(0);
  const std::int64_t h = args.dtable.size(1);
  require(rows < kLargest && args.first_token + held < kLargest, kWhere,
          "{} rows or {} tokens are more than 2^30", rows, args.first_token + held);
  if (rows == 0 || held == 0) {
    return;
  }
  const std::int64_t blocks = parts_of(rows, kBlockRows);
  const std::int64_t strips = parts_of(h, kStrip);
  const Tensor pieces(stream.memory(), {blocks, 2, strips * kStrip}, DType::float32,
                      MemoryLabel::workspace);
  const Grid sums{.blocks = blocks, .threads = kThreads, .strips = strips};
  const Grid combine_grid{.blocks = blocks > 1 ? parts_of(blocks, kWarps) : 0,
                          .threads = kThreads,
                          .strips = strips,
                          .early = true};
  with_element(args.dy.dtype(), [&]<typename T>() {
    const TableSums<T> on = {.order = Order(args),
                             .dy = args.dy.data<T>(),
                             .h = h,
                             .dtable = args.dtable.data<float>(),
                             .pieces = reinterpret_cast<float4*>(pieces.data<float>())};
    const bool vectorized = is_vectorizable({on.dy, on.dtable}, h);
    launch(stream, kWhere, sums,
           vectorized ? table_sums_kernel<true, T> : table_sums_kernel<false, T>, on);
    launch(stream, kWhere, combine_grid,
           vectorized ? reduce_blocks_kernel<true, T> : reduce_blocks_kernel<false, T>, on,
           static_cast<int>(blocks));
  });
}

}  // namespace stagecraft::cuda
