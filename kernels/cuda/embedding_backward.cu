// The gradient of the token table without atomics: the rows are sorted by their token (stably, so
// that they stay in ascending order), and one warp adds all rows of a token to a strip of columns.
#include <cub/device/device_radix_sort.cuh>

#include <bit>

#include "kernels/cuda/elementwise.h"
#include "kernels/cuda/embedding.h"
#include "kernels/cuda/groups.cuh"
#include "kernels/cuda/join.cuh"
#include "kernels/cuda/launch.h"

namespace stagecraft::cuda {
namespace {

constexpr std::string_view kPlace = "token_embedding_backward";
constexpr unsigned kThreads = 256;
constexpr int kWarps = 8;

/// Rows in the order of their tokens; those of other ranks' tokens last, under the key `held`.
__global__ void keys_kernel(const std::int32_t* tokens, std::int64_t first_token, std::int64_t held,
                            std::int32_t count, std::int32_t* keys, std::int32_t* rows) {
  const auto row = static_cast<std::int32_t>(blockIdx.x * kThreads + threadIdx.x);
  if (row < count) {
    const std::int64_t at = tokens[row] - first_token;
    keys[row] = static_cast<std::int32_t>(at >= 0 && at < held ? at : held);
    rows[row] = row;
  }
}

template <typename T>
struct Sorted {
  const std::int32_t* keys;
  const std::int32_t* rows;
  std::int32_t count;
  std::int64_t held;
  const T* dy;
  std::int64_t h;
  float* dtable;
};

/// A warp's share of a row: groups lane, lane + 32, ..
constexpr int kParts = 4;
constexpr std::int64_t kStrip = kParts * kWarp * kGroup;

struct Strip {
  __device__ explicit Strip(std::int64_t columns)
      : first(blockIdx.y * kStrip + threadIdx.x * kGroup), end(columns) {}

  __device__ std::int64_t column(int part) const { return first + part * kWarp * kGroup; }
  __device__ bool holds(int part) const { return column(part) < end; }

  std::int64_t first;
  std::int64_t end;
};

/// sums += dy[rows of lanes 0 .. count - 1], in this order; several loads are under way at a time.
template <bool Wide, typename T>
__device__ void add_rows(const Sorted<T>& on, std::int32_t lanes_row, int count, const Strip& strip,
                         float4 (&sums)[kParts]) {
  constexpr int kAhead = 4;
  for (int done = 0; done < count; done += kAhead) {
    Packed<T> terms[kAhead][kParts];
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
      const T* const row = on.dy + __shfl_sync(kAllLanes, lanes_row, done + i) * on.h;
#pragma unroll
      for (int p = 0; p < kParts; ++p) {
        terms[i][p] = done + i < count && strip.holds(p)
                          ? load_packed<Wide>(row, strip.column(p), on.h)
                          : Packed<T>{};
      }
    }
#pragma unroll
    for (int i = 0; i < kAhead; ++i) {
#pragma unroll
      for (int p = 0; p < kParts; ++p) {
        sums[p] = done + i < count ? sums[p] + unpacked<T>(terms[i][p]) : sums[p];
      }
    }
  }
}

/// The warp of a token's first row adds all of its rows; the others have nothing to do.
template <bool Wide, typename T>
__global__ void add_rows_kernel(Sorted<T> on) {
  constexpr std::int32_t kNone = -1;
  const auto first = static_cast<std::int32_t>(blockIdx.x * kWarps + threadIdx.y);
  if (first >= on.count) {
    return;
  }
  auto at = first + static_cast<std::int32_t>(threadIdx.x);  // this lane's
  std::int32_t lanes_key = at < on.count ? on.keys[at] : kNone;
  std::int32_t lanes_row = at < on.count ? on.rows[at] : 0;
  const std::int32_t before = first > 0 ? on.keys[first - 1] : kNone;
  const std::int32_t key = __shfl_sync(kAllLanes, lanes_key, 0);
  if (key == on.held || key == before) {
    return;
  }
  float* const to = on.dtable + key * on.h;
  const Strip strip(on.h);
  float4 sums[kParts];
#pragma unroll
  for (int p = 0; p < kParts; ++p) {
    sums[p] = strip.holds(p) ? load_packed<Wide>(to, strip.column(p), on.h) : float4{};
  }
  // The keys are sorted: the lanes with this one are the first so many.
  int found = __popc(__ballot_sync(kAllLanes, lanes_key == key));
  add_rows<Wide>(on, lanes_row, found, strip, sums);
  while (found == kWarp) {
    at += kWarp;
    lanes_key = at < on.count ? on.keys[at] : kNone;
    lanes_row = at < on.count ? on.rows[at] : 0;
    found = __popc(__ballot_sync(kAllLanes, lanes_key == key));
    add_rows<Wide>(on, lanes_row, found, strip, sums);
  }
#pragma unroll
  for (int p = 0; p < kParts; ++p) {
    store4<Wide>(to, strip.column(p), on.h, sums[p]);
  }
}

/// What the sort works in and leaves; int32 tensors of [rows].
struct SortMemory {
  SortMemory(Stream& stream, std::int64_t rows)
      : keys(memory(stream, rows)),
        row_numbers(memory(stream, rows)),
        sorted_keys(memory(stream, rows)),
        sorted_rows(memory(stream, rows)) {}

  static Tensor memory(Stream& stream, std::int64_t rows) {
    return {stream.memory(), {rows}, DType::int32, MemoryLabel::workspace};
  }

  Tensor keys;
  Tensor row_numbers;
  Tensor sorted_keys;
  Tensor sorted_rows;
};

/// `most` is the largest key.
void sort(Stream& stream, const SortMemory& on, std::int64_t most) {
  const int bits = std::bit_width(static_cast<std::uint64_t>(most));
  const auto count = static_cast<int>(on.keys.size(0));
  const auto run = [&](void* workspace, std::size_t& bytes) {
    check(cub::DeviceRadixSort::SortPairs(
              workspace, bytes, on.keys.data<std::int32_t>(), on.sorted_keys.data<std::int32_t>(),
              on.row_numbers.data<std::int32_t>(), on.sorted_rows.data<std::int32_t>(), count, 0,
              bits, native_stream(stream)),
          kPlace);
  };
  const DeviceScope scope(stream.device().index);
  std::size_t bytes = 0;
  run(nullptr, bytes);
  const auto workspace =
      stream.memory().allocate(static_cast<std::int64_t>(bytes), MemoryLabel::workspace);
  run(workspace->data(), bytes);
}

}  // namespace

void token_embedding_backward(Stream& stream, const TokenEmbeddingBackward& args) {
  if (!args.accumulate) {
    cuda::fill_zero(stream, {args.dtable});
  }
  const std::int64_t rows = args.tokens.size(0);
  const std::int64_t held = args.dtable.size(0);
  require(rows < std::int64_t{1} << 30 && held < std::int64_t{1} << 30, kPlace,
          "{} rows or {} tokens are more than 2^30", rows, held);
  if (rows == 0) {
    return;
  }
  const SortMemory memory(stream, rows);
  const auto count = static_cast<std::int32_t>(rows);
  launch(stream, kPlace, {.blocks = parts_of(rows, kThreads), .threads = kThreads}, keys_kernel,
         args.tokens.data<std::int32_t>(), args.first_token, held, count,
         memory.keys.data<std::int32_t>(), memory.row_numbers.data<std::int32_t>());
  sort(stream, memory, held);
  const Grid grid{.blocks = parts_of(rows, kWarps),
                  .threads = dim3(kWarp, kWarps),
                  .strips = parts_of(args.dtable.size(1), kStrip)};
  with_element(args.dy.dtype(), [&]<typename T>() {
    const Sorted<T> on = {.keys = memory.sorted_keys.data<std::int32_t>(),
                          .rows = memory.sorted_rows.data<std::int32_t>(),
                          .count = count,
                          .held = held,
                          .dy = args.dy.data<T>(),
                          .h = args.dtable.size(1),
                          .dtable = args.dtable.data<float>()};
    const bool wide = moves_wide({on.dy, on.dtable}, on.h);
    launch(stream, kPlace, grid, wide ? add_rows_kernel<true, T> : add_rows_kernel<false, T>, on);
  });
}

}  // namespace stagecraft::cuda
