// A sort by counting, in one kernel. Tokens are dealt out to blocks, the classes; each looks
// through all rows, so that it knows how many go before its own without a word to the others.
#include "kernels/cuda/token_groups.h"

#include <cub/block/block_scan.cuh>

#include <algorithm>
#include <bit>
#include <limits>

#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/join.cuh"
#include "kernels/cuda/launch.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kPlace = "token_embedding_backward";
constexpr int kWarps = 16;
constexpr int kThreads = kWarps * kWarp;
constexpr int kRowsOfLane = 4;
constexpr int kStep = kWarp * kRowsOfLane;  // rows that a warp looks at at a time
constexpr int kAhead = 4;                   // steps whose tokens are on their way
constexpr int kMembers = 1024;              // tokens of a class, at most

struct Grouping {
  const std::int32_t* tokens;
  std::int32_t rows;
  std::int32_t first_token;
  std::uint32_t held;
  int class_bits;
  std::int32_t* listed_rows;  // of each class, ascending
  std::int32_t* listed_members;
  std::int32_t* ranks;  // of the listed, among their token's
  std::int32_t* grouped_rows;
  std::int32_t* grouped_tokens;
  std::int32_t* count;
};

/// Where a token belongs. The class that no block has is of those that are not held.
struct Place {
  __device__ Place(const Grouping& on, std::int32_t token)
      : held(static_cast<std::uint32_t>(token - on.first_token)),
        class_index(held < on.held ? held & ((1U << on.class_bits) - 1)
                                   : std::numeric_limits<std::uint32_t>::max()) {}

  std::uint32_t held;  // from the first that is
  std::uint32_t class_index;
};

/// f(first row, places of four rows) for the steps of this warp, which are neighbours.
template <bool Wide, typename F>
__device__ void for_each_step(const Grouping& on, F&& f) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const std::int32_t steps = (on.rows + kWarps * kStep - 1) / (kWarps * kStep);
  const std::int32_t first = warp * steps * kStep + lane * kRowsOfLane;
  for (std::int32_t step = 0; step < steps; step += kAhead) {
    std::int32_t tokens[kAhead][kRowsOfLane];
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      const std::int32_t at = first + (step + a) * kStep;
      const std::int32_t end = step + a < steps ? on.rows : 0;
      if (Wide && at + kRowsOfLane <= end) {
        const int4 four = *reinterpret_cast<const int4*>(on.tokens + at);
        tokens[a][0] = four.x;
        tokens[a][1] = four.y;
        tokens[a][2] = four.z;
        tokens[a][3] = four.w;
      } else {
#pragma unroll
        for (int i = 0; i < kRowsOfLane; ++i) {
          tokens[a][i] = at + i < end ? on.tokens[at + i] : -1;
        }
      }
    }
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      f(first + (step + a) * kStep, {Place(on, tokens[a][0]), Place(on, tokens[a][1]),
                                     Place(on, tokens[a][2]), Place(on, tokens[a][3])});
    }
  }
}

using FourPlaces = const Place (&)[kRowsOfLane];

/// How many rows are this class's, and where they and this warp's part of them go.
struct Extent {
  std::int32_t first;
  std::int32_t count;
  std::int32_t warps_first;
};

template <bool Wide>
__device__ Extent find_extent(const Grouping& on) {
  __shared__ std::int32_t own_of[kWarps];
  __shared__ std::int32_t before_of[kWarps];
  std::int32_t own = 0;
  std::int32_t before = 0;
  for_each_step<Wide>(on, [&](std::int32_t, FourPlaces places) {
#pragma unroll
    for (const Place& place : places) {
      own += place.class_index == blockIdx.x ? 1 : 0;
      before += place.class_index < blockIdx.x ? 1 : 0;
    }
  });
  own = join_lanes<kWarp, Plus>(own);
  before = join_lanes<kWarp, Plus>(before);
  const unsigned mine = threadIdx.x / kWarp;
  if (threadIdx.x % kWarp == 0) {
    own_of[mine] = own;
    before_of[mine] = before;
  }
  __syncthreads();
  Extent extent = {0, 0, 0};
  for (unsigned warp = 0; warp < kWarps; ++warp) {
    extent.first += before_of[warp];
    extent.warps_first += warp < mine ? own_of[warp] : 0;
    extent.count += own_of[warp];
  }
  extent.warps_first += extent.first;
  return extent;
}

/// write(place in the order, row, token) for this class's rows, in ascending order.
template <bool Wide, typename Write>
__device__ void list_rows(const Grouping& on, std::int32_t to, Write&& write) {
  const unsigned lower_lanes = (1U << threadIdx.x % kWarp) - 1;
  for_each_step<Wide>(on, [&](std::int32_t first, FourPlaces places) {
    bool own[kRowsOfLane];
    std::int32_t at = to;
#pragma unroll
    for (int i = 0; i < kRowsOfLane; ++i) {
      own[i] = places[i].class_index == blockIdx.x;
      const unsigned found = __ballot_sync(kAllLanes, own[i]);
      at += __popc(found & lower_lanes);
      to += __popc(found);
    }
#pragma unroll
    for (int i = 0; i < kRowsOfLane; ++i) {
      if (own[i]) {
        write(at, first + i, places[i].held);
        ++at;
      }
    }
  });
}

/// Ranks the listed among their token's, by one warp in their order; counts[member] is how many
/// there are.
__device__ void rank_listed(const Grouping& on, const Extent& extent, std::int32_t* counts) {
  const unsigned lane = threadIdx.x % kWarp;
  for (std::int32_t at = 0; at < extent.count; at += kWarp) {
    const bool has = at + static_cast<std::int32_t>(lane) < extent.count;
    const std::int32_t listed = extent.first + at + static_cast<std::int32_t>(lane);
    const std::int32_t member = has ? on.listed_members[listed] : -1;
    const unsigned peers = __match_any_sync(kAllLanes, member);
    const std::int32_t before = has ? counts[member] : 0;
    __syncwarp();
    if (has) {
      on.ranks[listed] = before + __popc(peers & ((1U << lane) - 1));
      if (static_cast<unsigned>(__ffs(static_cast<int>(peers))) == lane + 1) {
        counts[member] = before + __popc(peers);
      }
    }
    __syncwarp();
  }
}

/// counts[i] becomes the sum of those before it.
__device__ void sum_up(std::int32_t* counts) {
  using Scan = cub::BlockScan<std::int32_t, kThreads>;
  constexpr int kEach = kMembers / kThreads;
  __shared__ typename Scan::TempStorage memory;
  std::int32_t mine[kEach];
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    mine[i] = counts[threadIdx.x * kEach + i];
  }
  Scan(memory).ExclusiveSum(mine, mine);
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    counts[threadIdx.x * kEach + i] = mine[i];
  }
}

template <bool Wide>
__global__ void __launch_bounds__(kThreads) group_kernel(Grouping on) {
  __shared__ std::int32_t counts[kMembers];
  const Extent extent = find_extent<Wide>(on);
  if (threadIdx.x == 0 && blockIdx.x == gridDim.x - 1) {
    *on.count = extent.first + extent.count;
  }
  if (on.held <= gridDim.x) {  // a class is one token
    list_rows<Wide>(on, extent.warps_first,
                    [&](std::int32_t at, std::int32_t row, std::uint32_t held) {
                      on.grouped_rows[at] = row;
                      on.grouped_tokens[at] = static_cast<std::int32_t>(held);
                    });
    return;
  }
  list_rows<Wide>(on, extent.warps_first,
                  [&](std::int32_t at, std::int32_t row, std::uint32_t held) {
                    on.listed_rows[at] = row;
                    on.listed_members[at] = static_cast<std::int32_t>(held >> on.class_bits);
                  });
  for (unsigned member = threadIdx.x; member < kMembers; member += kThreads) {
    counts[member] = 0;
  }
  __syncthreads();
  if (threadIdx.x < kWarp) {
    rank_listed(on, extent, counts);
  }
  __syncthreads();
  sum_up(counts);
  __syncthreads();
  const std::int32_t end = extent.first + extent.count;
  for (auto listed = extent.first + static_cast<std::int32_t>(threadIdx.x); listed < end;
       listed += kThreads) {
    const std::int32_t member = on.listed_members[listed];
    const std::int32_t at = extent.first + counts[member] + on.ranks[listed];
    on.grouped_rows[at] = on.listed_rows[listed];
    on.grouped_tokens[at] = (member << on.class_bits) + static_cast<std::int32_t>(blockIdx.x);
  }
}

/// Of about 64 rows, and of no more tokens than a block can count.
int class_bits_of(std::int64_t rows, std::int64_t held) {
  constexpr std::int64_t kRowsOfClass = 64;
  constexpr std::int64_t kMostByRows = 256;
  const std::int64_t by_rows = std::clamp<std::int64_t>(rows / kRowsOfClass, 1, kMostByRows);
  const std::int64_t wanted = std::max(by_rows, parts_of(held, kMembers));
  return std::bit_width(static_cast<std::uint64_t>(wanted - 1));
}

Tensor numbers(Stream& stream, std::int64_t count) {
  return {stream.memory(), {count}, DType::int32, MemoryLabel::workspace};
}

}  // namespace

TokenGroups::TokenGroups(Stream& stream, const Tensor& all, std::int64_t first_token,
                         std::int64_t held)
    : rows(numbers(stream, all.size(0))),
      tokens(numbers(stream, all.size(0))),
      count(numbers(stream, 1)) {
  const std::int64_t size = all.size(0);
  const Tensor listed_rows = numbers(stream, size);
  const Tensor listed_members = numbers(stream, size);
  const Tensor ranks = numbers(stream, size);
  const Grouping on = {.tokens = all.data<std::int32_t>(),
                       .rows = static_cast<std::int32_t>(size),
                       .first_token = static_cast<std::int32_t>(first_token),
                       .held = static_cast<std::uint32_t>(held),
                       .class_bits = class_bits_of(size, held),
                       .listed_rows = listed_rows.data<std::int32_t>(),
                       .listed_members = listed_members.data<std::int32_t>(),
                       .ranks = ranks.data<std::int32_t>(),
                       .grouped_rows = rows.data<std::int32_t>(),
                       .grouped_tokens = tokens.data<std::int32_t>(),
                       .count = count.data<std::int32_t>()};
  launch(stream, kPlace, {.blocks = std::int64_t{1} << on.class_bits, .threads = kThreads},
         moves_wide({on.tokens}) ? group_kernel<true> : group_kernel<false>, on);
}

}  // namespace stagecraft::cuda
