#include "kernels/ops/tensor_hash.h"

#include <span>
#include <vector>

#include "kernels/base/element_hash.h"
#include "kernels/cuda/primitives/groups.cuh"
#include "kernels/cuda/primitives/reduce_lanes.cuh"
#include "kernels/cuda/runtime/launch.h"
#include "kernels/ops/dispatch.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/host_copy.h"

namespace stagecraft::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kGroupsOfThread = 16;
constexpr std::int64_t kGroupsOfBlock = kThreads * kGroupsOfThread;

/// A part whose blocks are `first_block` and those after it, up to the next one's.
struct Part {
  const float* x;
  HashedRows rows;
  std::int64_t first_block;
  std::uint32_t groups_of_row;
  std::uint32_t groups;
  bool vectorized;
  bool one_key;  // of all its elements: rows.key
};

std::uint64_t last_index(const HashedRows& rows) {
  return static_cast<std::uint64_t>(rows.first + (rows.rows - 1) * rows.whole_stride +
                                    rows.columns - 1);
}

/// Rows that follow each other, in memory and in the whole tensor, are one row.
HashedRows joined(HashedRows rows) {
  if (rows.rows > 1 && rows.stride == rows.columns && rows.whole_stride == rows.columns) {
    rows.columns *= rows.rows;
    rows.rows = 1;
  }
  if (rows.rows == 1) {
    rows.stride = rows.columns;
  }
  return rows;
}

Part part_of(const Tensor& x, const HashedRows& given, std::int64_t first_block) {
  Part part{};
  part.x = x.data<float>();
  part.rows = joined(given);
  part.first_block = first_block;
  const std::int64_t groups_of_row = parts_of(part.rows.columns, kGroup);
  part.groups_of_row = static_cast<std::uint32_t>(groups_of_row);
  part.groups = static_cast<std::uint32_t>(part.rows.rows * groups_of_row);
  part.vectorized =
      is_vectorizable({part.x}, part.rows.columns) && is_vectorizable({part.x}, part.rows.stride);
  const auto first = static_cast<std::uint64_t>(part.rows.first);
  part.one_key = part.groups == 0 || first >> 32 == last_index(part.rows) >> 32;
  part.rows.key = part.one_key ? key_of_elements(part.rows.key, first) : part.rows.key;
  return part;
}

/// The part that has a block: the last that begins at it or before, so one that is not empty.
__device__ const Part& part_with(const Part* table, std::int32_t count, std::int64_t block) {
  std::int32_t below = 0;
  std::int32_t above = count;
  while (above - below > 1) {
    const std::int32_t middle = (below + above) / 2;
    const bool begun = table[middle].first_block <= block;
    below = begun ? middle : below;
    above = begun ? above : middle;
  }
  return table[below];
}

template <bool OneKey>
__device__ std::uint64_t number_of(std::uint64_t key, std::uint64_t index, float value) {
  const std::uint32_t bits = __float_as_uint(value);
  return OneKey ? mixed(key + (index << 32 | bits)) : element_hash(key, index, bits);
}

/// Of up to four elements of a row.
template <bool Vectorized, bool OneKey>
__device__ std::uint64_t group_hash(const Part& part, std::uint32_t group) {
  const std::uint32_t row = group / part.groups_of_row;
  const std::int64_t column = std::int64_t{group - row * part.groups_of_row} * kGroup;
  const float4 v = load4<Vectorized>(part.x + row * part.rows.stride, column, part.rows.columns);
  const float values[] = {v.x, v.y, v.z, v.w};
  const auto index =
      static_cast<std::uint64_t>(part.rows.first + row * part.rows.whole_stride + column);
  std::uint64_t hash = 0;
#pragma unroll
  for (int i = 0; i < kGroup; ++i) {
    const bool inside = Vectorized || column + i < part.rows.columns;
    hash += inside ? number_of<OneKey>(part.rows.key, index + i, values[i]) : 0;
  }
  return hash;
}

template <bool Vectorized, bool OneKey>
__device__ std::uint64_t thread_hash(const Part& part, std::int64_t first_group) {
  std::uint64_t hash = 0;
#pragma unroll 4
  for (int i = 0; i < kGroupsOfThread; ++i) {
    const std::int64_t group = first_group + i * kThreads;
    if (group < part.groups) {
      hash += group_hash<Vectorized, OneKey>(part, static_cast<std::uint32_t>(group));
    }
  }
  return hash;
}

__global__ void tensor_hashes_kernel(const Part* table, std::int32_t count,
                                     unsigned long long* out) {
  const Part part = part_with(table, count, blockIdx.x);
  const std::int64_t group = (blockIdx.x - part.first_block) * kGroupsOfBlock + threadIdx.x;
  std::uint64_t hash = 0;
  if (!part.one_key) {
    hash = thread_hash<false, false>(part, group);
  } else if (part.vectorized) {
    hash = thread_hash<true, true>(part, group);
  } else {
    hash = thread_hash<false, true>(part, group);
  }
  hash = reduce_threads<kThreads, Plus>(hash);
  if (threadIdx.x == 0) {
    atomicAdd(out + part.rows.hash, hash);
  }
}

}  // namespace

void tensor_hashes(Stream& stream, const TensorHashes& args) {
  std::vector<Part> parts;
  std::int64_t blocks = 0;
  for (std::size_t i = 0; i < args.x.size(); ++i) {
    parts.push_back(part_of(args.x[i], args.rows[i], blocks));
    blocks += parts_of(parts.back().groups, kGroupsOfBlock);
  }
  dispatch(stream, FillZero{args.out});
  const std::span<const std::byte> bytes = std::as_bytes(std::span(parts));
  const auto words = static_cast<std::int64_t>(bytes.size() / sizeof(std::int32_t));
  const Tensor table(stream.memory(), {words}, DType::int32, MemoryLabel::workspace);
  dispatch(stream, CopyFromHost{bytes, table});
  launch(stream, "tensor_hashes", {.blocks = blocks, .threads = kThreads}, tensor_hashes_kernel,
         static_cast<const Part*>(table.raw()), static_cast<std::int32_t>(parts.size()),
         static_cast<unsigned long long*>(args.out.raw()));
}

}  // namespace stagecraft::cuda
