#include "kernels/cpu/ops/attention_block.h"

#include <array>
#include <cmath>

#include "kernels/cpu/primitives/block_product.h"
#include "kernels/cpu/primitives/block_transpose.h"
#include "kernels/cpu/primitives/philox_lanes.h"

namespace stagecraft::cpu {
namespace {

/// The places of a block's first key in the dropout sequence, one for each of kPhiloxLanes queries.
struct LanePositions {
  std::array<std::uint32_t, kPhiloxLanes> blocks{};
  std::array<std::uint32_t, kPhiloxLanes> words{};  // within their block
};

LanePositions places_from(std::int64_t first_element, std::int64_t row_elements) {
  LanePositions positions;
  for (std::size_t lane = 0; lane < kPhiloxLanes; ++lane) {
    const std::int64_t element = first_element + static_cast<std::int64_t>(lane) * row_elements;
    positions.blocks[lane] = static_cast<std::uint32_t>(element / 4);
    positions.words[lane] = static_cast<std::uint32_t>(element % 4);
  }
  return positions;
}

/// Row `key` of `words` becomes the word of the block's key `key`; a lane that starts within a
/// Philox block moves up.
void align(const LanePositions& positions, std::int64_t keys, std::uint32_t* words) {
  if (positions.words == std::array<std::uint32_t, kPhiloxLanes>{}) {
    return;
  }
  for (std::int64_t key = 0; key < keys; ++key) {
    for (std::size_t lane = 0; lane < kPhiloxLanes; ++lane) {
      words[key * kQueryBlock + static_cast<std::int64_t>(lane)] =
          words[(key + positions.words[lane]) * kQueryBlock + static_cast<std::int64_t>(lane)];
    }
  }
}

void draw(const RandomCoordinate& coordinate, LanePositions positions, std::int64_t keys,
          std::uint32_t* words) {
  const LanePositions start = positions;
  for (std::int64_t key = 0; key < keys + 3; key += 4) {
    philox_lanes(coordinate, positions.blocks.data(), words + key * kQueryBlock, kQueryBlock);
    for (std::uint32_t& block : positions.blocks) {
      ++block;
    }
  }
  align(start, keys, words);
}

void keep_or_drop(const std::uint32_t* words, std::int64_t keys, std::uint32_t threshold,
                  float factor, float* factors) {
  for (std::int64_t key = 0; key < keys; ++key) {
#pragma omp simd
    for (std::int64_t lane = 0; lane < kPhiloxLanes; ++lane) {
      const std::int64_t at = key * kQueryBlock + lane;
      factors[at] = words[at] >= threshold ? factor : 0.0F;
    }
  }
}

}  // namespace

float score_factor(const AttentionShape& shape) {
  return 1.0F / std::sqrt(static_cast<float>(shape.head_size));
}

void pack_lanes(const QueryBlock& queries, std::int64_t size, const float* from,
                std::int64_t from_row, float* to) {
  if (queries.count < queries.lanes) {
    std::fill_n(to, size * kQueryBlock, 0.0F);
  }
  block_transpose(from, from_row, queries.count, size, to, kQueryBlock);
}

void pack_rows(const float* from, std::int64_t from_row, std::int64_t count, std::int64_t size,
               float factor, float* to, std::int64_t to_row) {
  for (std::int64_t row = 0; row < count; ++row, from += from_row, to += to_row) {
#pragma omp simd
    for (std::int64_t d = 0; d < size; ++d) {
      to[d] = factor * from[d];
    }
    std::fill_n(to + size, to_row - size, 0.0F);
  }
}

void dot_with_lanes(const Head& head, const QueryBlock& queries, const KeyBlock& block,
                    const float* rows, const float* packed, float* to) {
  block_product({.rows = block.count,
                 .lanes = queries.lanes - block.lane,
                 .depth = head.size,
                 .a = rows,
                 .a_row = head.size,
                 .a_column = 1,
                 .b = packed + block.lane,
                 .b_row = kQueryBlock,
                 .c = to + block.lane,
                 .c_row = kQueryBlock});
}

ProbabilityDropout::ProbabilityDropout(const AttentionShape& shape)
    : shape_(shape),
      threshold_(keep_threshold(shape.dropout.probability)),
      factor_(1.0F / (1.0F - shape.dropout.probability)) {}

void ProbabilityDropout::factors(const Head& head, const QueryBlock& queries, const KeyBlock& block,
                                 std::uint32_t* words, float* factors) const {
  const Dropout& dropout = shape_.dropout;
  const RandomCoordinate coordinate{dropout.key, dropout.step,
                                    dropout.first_sample + static_cast<std::uint64_t>(head.sample)};
  const std::int64_t positions = shape_.mask_positions();
  const std::int64_t first_row = (shape_.first_head + head.local_head) * positions;
  for (std::int64_t lane = block.lane / kPhiloxLanes * kPhiloxLanes; lane < queries.lanes;
       lane += kPhiloxLanes) {
    const std::int64_t row = first_row + queries.first + lane;
    draw(coordinate, places_from(row * positions + block.first, positions), block.count,
         words + lane);
    keep_or_drop(words + lane, block.count, threshold_, factor_, factors + lane);
  }
}

}  // namespace stagecraft::cpu
