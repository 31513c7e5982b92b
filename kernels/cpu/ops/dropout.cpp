#include "kernels/cpu/ops/dropout.h"

#include <optional>

#include "kernels/cpu/runtime/parallel.h"

namespace stagecraft::cpu {
namespace {

/// The factors of the elements of kPhiloxLanes consecutive blocks, four each.
void block_factors(const RandomCoordinate& coordinate, std::uint32_t first_block,
                   std::uint32_t threshold, float kept, float* out) {
  std::array<std::uint32_t, kPhiloxLanes> blocks;
  for (int i = 0; i < kPhiloxLanes; ++i) {
    blocks[i] = first_block + static_cast<std::uint32_t>(i);
  }
  constexpr std::int64_t kLanes = kPhiloxLanes;
  alignas(64) std::array<std::uint32_t, 4 * kLanes> words;
  philox_lanes(coordinate, blocks.data(), words.data(), kPhiloxLanes);
#pragma omp simd
  for (std::int64_t i = 0; i < kLanes; ++i) {
    out[4 * i] = words[i] >= threshold ? kept : 0.0F;
    out[4 * i + 1] = words[kLanes + i] >= threshold ? kept : 0.0F;
    out[4 * i + 2] = words[2 * kLanes + i] >= threshold ? kept : 0.0F;
    out[4 * i + 3] = words[3 * kLanes + i] >= threshold ? kept : 0.0F;
  }
}

void add_into(const float* a, const float* b, std::int64_t count, float* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = a[i] + b[i];
  }
}

void multiply_into(const float* a, const float* b, std::int64_t count, float* out) {
#pragma omp simd
  for (std::int64_t i = 0; i < count; ++i) {
    out[i] = a[i] * b[i];
  }
}

std::int64_t added_row(const DropoutRows& args, std::int64_t r) {
  return args.added_at != nullptr ? args.added_at[r] : r % args.added_rows;
}

/// Columns column .. column + count - 1 of row r; each part is a pass over a chunk in L1.
void one_chunk(const DropoutRows& args, std::optional<DropoutRun>& run, std::int64_t r,
               std::int64_t column, std::int64_t count) {
  alignas(64) std::array<float, DropoutRun::kElements> chunk;
  const float* value = args.x.row(r) + column;
  float* const y = args.y.row(r) + column;
  if (args.added != nullptr) {
    add_into(value, args.added + added_row(args, r) * args.columns + column, count, chunk.data());
    value = chunk.data();
  }
  if (run) {
    const std::int64_t row = args.dropout.first_row + r;
    const std::int64_t sample = row / args.dropout.rows_per_sample;
    const std::int64_t first = row % args.dropout.rows_per_sample * args.columns + column;
    multiply_into(value, run->factors(sample, first, count), count, chunk.data());
    value = chunk.data();
  }
  if (args.residual.data != nullptr) {
    add_into(args.residual.row(r) + column, value, count, y);
  } else {
    std::copy_n(value, value == y ? 0 : count, y);
  }
}

}  // namespace

DropoutRun::DropoutRun(const Dropout& dropout)
    : dropout_(dropout),
      threshold_(keep_threshold(dropout.probability)),
      kept_(1.0F / (1.0F - dropout.probability)) {}

const float* DropoutRun::factors(std::int64_t sample, std::int64_t first, std::int64_t count) {
  const RandomCoordinate coordinate = {dropout_.key, dropout_.step,
                                       dropout_.first_sample + static_cast<std::uint64_t>(sample)};
  const std::int64_t lead = first % 4;
  auto block = static_cast<std::uint32_t>(first / 4);
  for (std::int64_t done = 0; done < lead + count; done += kGroup) {
    block_factors(coordinate, block, threshold_, kept_, factors_.data() + done);
    block += kPhiloxLanes;
  }
  return factors_.data() + lead;
}

void dropout_rows(Stream& stream, const DropoutRows& args) {
  for_each_range(
      stream, args.rows, rows_per_piece(args.columns), [&](std::int64_t begin, std::int64_t end) {
        std::optional<DropoutRun> run;
        if (args.dropout.probability > 0) {
          run.emplace(args.dropout);
        }
        for (std::int64_t r = begin; r < end; ++r) {
          for (std::int64_t c = 0; c < args.columns; c += DropoutRun::kElements) {
            one_chunk(args, run, r, c, std::min(DropoutRun::kElements, args.columns - c));
          }
        }
      });
}

}  // namespace stagecraft::cpu
