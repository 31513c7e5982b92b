// A sort by counting, in one kernel. Tokens are dealt out to blocks, the classes; each looks
// through all rows, so that it knows how many go before its own without a word to the others.
#include "kernels/cuda/token_groups.h"

#include <cub/block/block_scan.cuh>

#include <algorithm>
#include <bit>

#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/join.cuh"
#include "kernels/cuda/launch.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kPlace = "token_embedding_backward";
constexpr int kMembers = 512;  // tokens of a class, at most, each with a thread
constexpr int kWarps = kMembers / kWarp;

struct Grouping {
  const std::int32_t* tokens;
  std::int32_t rows;
  std::int32_t first_token;
  std::uint32_t held;
  int class_bits;
  std::int32_t* ranks;  // of a row among those of its token that its warp sees
  std::int32_t* grouped_rows;
  std::int32_t* grouped_tokens;
  std::int32_t* count;
};

/// f(row, its token from the first that is held) for this warp's rows, which are neighbours, 32 at
/// a time in ascending order; the whole warp calls f. A token behind the last row is none that is
/// held.
template <typename F>
__device__ void for_each_row(const Grouping& on, F&& f) {
  constexpr int kAhead = 16;
  const auto lane = static_cast<std::int32_t>(threadIdx.x % kWarp);
  const auto warp = static_cast<std::int32_t>(threadIdx.x / kWarp);
  const std::int32_t steps = (on.rows + kMembers - 1) / kMembers;
  const std::int32_t first = warp * steps * kWarp + lane;
  for (std::int32_t step = 0; step < steps; step += kAhead) {
    std::int32_t tokens[kAhead];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const std::int32_t row = first + (step + i) * kWarp;
      tokens[i] = step + i < steps && row < on.rows ? on.tokens[row] : -1;
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      if (step + i < steps) {
        f(first + (step + i) * kWarp, static_cast<std::uint32_t>(tokens[i] - on.first_token));
      }
    }
  }
}

using Counts = std::int32_t[kWarps][kMembers];

/// Fills `ranks`, and counts the rows of every token of this class by warps. The result is how many
/// rows are of earlier classes.
__device__ std::int32_t rank_rows(const Grouping& on, Counts& counts) {
  const unsigned classes_mask = (1U << on.class_bits) - 1;
  const unsigned lane = threadIdx.x % kWarp;
  auto& warps_counts = counts[threadIdx.x / kWarp];
  std::int32_t before = 0;
  for_each_row(on, [&](std::int32_t row, std::uint32_t held) {
    const unsigned class_index = held & classes_mask;
    const bool own = held < on.held && class_index == blockIdx.x;
    before += held < on.held && class_index < blockIdx.x ? 1 : 0;
    const unsigned owning = __ballot_sync(kAllLanes, own);
    if (own) {
      const std::uint32_t member = held >> on.class_bits;
      const unsigned peers = __match_any_sync(owning, member);
      const unsigned lower = peers & ((1U << lane) - 1);
      const std::int32_t seen = warps_counts[member];
      __syncwarp(owning);
      on.ranks[row] = seen + __popc(lower);
      if (lower == 0) {
        warps_counts[member] = seen + __popc(peers);
      }
    }
    __syncwarp();
  });
  return join_threads<kMembers, Plus>(before);
}

/// Makes of the counts where the rows of each warp begin, and returns how many rows there are.
__device__ std::int32_t sum_up(Counts& counts, std::int32_t first) {
  using Scan = cub::BlockScan<std::int32_t, kMembers>;
  __shared__ typename Scan::TempStorage memory;
  std::int32_t mine = 0;
  for (const auto& of_warp : counts) {
    mine += of_warp[threadIdx.x];
  }
  std::int32_t begin = 0;
  std::int32_t all = 0;
  Scan(memory).ExclusiveSum(mine, begin, all);
  begin += first;
  for (auto& of_warp : counts) {
    const std::int32_t count = of_warp[threadIdx.x];
    of_warp[threadIdx.x] = begin;
    begin += count;
  }
  return all;
}

__global__ void __launch_bounds__(kMembers) group_kernel(Grouping on) {
  __shared__ Counts counts;
  for (auto& of_warp : counts) {
    of_warp[threadIdx.x] = 0;
  }
  __syncthreads();
  const std::int32_t before = rank_rows(on, counts);
  const std::int32_t own = sum_up(counts, before);
  __syncthreads();
  if (threadIdx.x == 0 && blockIdx.x == gridDim.x - 1) {
    *on.count = before + own;
  }
  const auto& begins = counts[threadIdx.x / kWarp];
  for_each_row(on, [&](std::int32_t row, std::uint32_t held) {
    if (held < on.held && (held & ((1U << on.class_bits) - 1)) == blockIdx.x) {
      const std::int32_t at = begins[held >> on.class_bits] + on.ranks[row];
      on.grouped_rows[at] = row;
      on.grouped_tokens[at] = static_cast<std::int32_t>(held);
    }
  });
}

/// Of about 128 rows, and of no more tokens than a block can count.
int class_bits_of(std::int64_t rows, std::int64_t held) {
  constexpr std::int64_t kRowsOfClass = 128;
  constexpr std::int64_t kMostByRows = 128;
  const std::int64_t by_rows = std::clamp<std::int64_t>(rows / kRowsOfClass, 1, kMostByRows);
  const std::int64_t classes = std::max(by_rows, parts_of(held, kMembers));
  return std::bit_width(static_cast<std::uint64_t>(classes - 1));
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
  const Tensor ranks = numbers(stream, all.size(0));
  const Grouping on = {.tokens = all.data<std::int32_t>(),
                       .rows = static_cast<std::int32_t>(all.size(0)),
                       .first_token = static_cast<std::int32_t>(first_token),
                       .held = static_cast<std::uint32_t>(held),
                       .class_bits = class_bits_of(all.size(0), held),
                       .ranks = ranks.data<std::int32_t>(),
                       .grouped_rows = rows.data<std::int32_t>(),
                       .grouped_tokens = tokens.data<std::int32_t>(),
                       .count = count.data<std::int32_t>()};
  launch(stream, kPlace, {.blocks = std::int64_t{1} << on.class_bits, .threads = kMembers},
         group_kernel, on);
}

}  // namespace stagecraft::cuda
