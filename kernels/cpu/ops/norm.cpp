// Layer normalisation, a row at a time.
#include "kernels/ops/norm.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/primitives/lane_sum.h"
#include "kernels/cpu/primitives/row_sums.h"
#include "kernels/cpu/runtime/parallel.h"

namespace stagecraft::cpu {
namespace {

/// y = (x - mean) rstd gamma + beta; a null beta counts as zero.
void store_normalised(const float* x, const float* gamma, const float* beta, std::int64_t h,
                      float mean, float rstd, float* y) {
  if (beta == nullptr) {
#pragma omp simd
    for (std::int64_t i = 0; i < h; ++i) {
      y[i] = (x[i] - mean) * rstd * gamma[i];
    }
    return;
  }
#pragma omp simd
  for (std::int64_t i = 0; i < h; ++i) {
    y[i] = (x[i] - mean) * rstd * gamma[i] + beta[i];
  }
}

/// Row statistics in two passes; the second finds the row in cache.
void forward_row(const float* x, const float* gamma, const float* beta, std::int64_t h,
                 float epsilon, float* y, float& mean, float& rstd) {
  const float inverse_h = 1.0F / static_cast<float>(h);
  // Around zero a mean is small beside the rounding that a sum in float32 gathers.
  const auto average = static_cast<float>(
      lane_sum<double>(h, [&](std::int64_t i) { return x[i]; }) / static_cast<double>(h));
  const auto squares = lane_sum<float>(h, [&](std::int64_t i) {
    const float centred = x[i] - average;
    return centred * centred;
  });
  const float scale = 1.0F / std::sqrt(squares * inverse_h + epsilon);
  store_normalised(x, gamma, beta, h, average, scale, y);
  mean = average;
  rstd = scale;
}

/// dx = rstd (g - avg(g) - n avg(g n)) with g = dy gamma and n the normalised x.
void backward_row(const float* dy, const float* x, const float* gamma, const float* residual,
                  std::int64_t h, float mean, float rstd, float* dx) {
  const float inverse_h = 1.0F / static_cast<float>(h);
  const float g_mean =
      lane_sum<float>(h, [&](std::int64_t i) { return dy[i] * gamma[i]; }) * inverse_h;
  const float gn_mean =
      lane_sum<float>(h,
                      [&](std::int64_t i) { return dy[i] * gamma[i] * ((x[i] - mean) * rstd); }) *
      inverse_h;
  if (residual == nullptr) {
#pragma omp simd
    for (std::int64_t i = 0; i < h; ++i) {
      dx[i] = rstd * (dy[i] * gamma[i] - g_mean - (x[i] - mean) * rstd * gn_mean);
    }
    return;
  }
#pragma omp simd
  for (std::int64_t i = 0; i < h; ++i) {
    dx[i] = residual[i] + rstd * (dy[i] * gamma[i] - g_mean - (x[i] - mean) * rstd * gn_mean);
  }
}

/// sums[0] += dy n, sums[1] += dy with n the normalised x.
void add_row(const float* dy, const float* x, std::int64_t h, float mean, float rstd, float* sums) {
#pragma omp simd
  for (std::int64_t i = 0; i < h; ++i) {
    sums[i] += dy[i] * ((x[i] - mean) * rstd);
    sums[h + i] += dy[i];
  }
}

}  // namespace

void layer_norm_forward(Stream& stream, const LayerNormForward& args) {
  const std::int64_t h = args.x.size(1);
  const auto* x = args.x.data<float>();
  const auto* gamma = args.gamma.data<float>();
  const float* beta = args.beta.empty() ? nullptr : args.beta.data<float>();
  auto* y = args.y.data<float>();
  auto* mean = args.mean.data<float>();
  auto* rstd = args.rstd.data<float>();
  for_each_range(stream, args.x.size(0), rows_per_piece(h), [&](std::int64_t r, std::int64_t end) {
    for (; r < end; ++r) {
      forward_row(x + r * h, gamma, beta, h, args.epsilon, y + r * h, mean[r], rstd[r]);
    }
  });
}

void layer_norm_backward_input(Stream& stream, const LayerNormBackwardInput& args) {
  const std::int64_t h = args.x.size(1);
  const auto* dy = args.dy.data<float>();
  const auto* x = args.x.data<float>();
  const auto* gamma = args.gamma.data<float>();
  const auto* mean = args.mean.data<float>();
  const auto* rstd = args.rstd.data<float>();
  const float* residual =
      args.residual_gradient.empty() ? nullptr : args.residual_gradient.data<float>();
  auto* dx = args.dx.data<float>();
  auto* sums = args.sums.data<float>();
  const auto backward = [&](std::int64_t r, std::int64_t end) {
    float* const block = sums + r / kNormSumRows * 2 * h;
    std::fill_n(block, 2 * h, 0.0F);
    for (; r < end; ++r) {
      add_row(dy + r * h, x + r * h, h, mean[r], rstd[r], block);
      backward_row(dy + r * h, x + r * h, gamma, residual == nullptr ? nullptr : residual + r * h,
                   h, mean[r], rstd[r], dx + r * h);
    }
  };
  for_each_range(stream, args.x.size(0), kNormSumRows, backward);
}

void layer_norm_backward_weight(Stream& stream, const LayerNormBackwardWeight& args) {
  const std::int64_t h = args.sums.size(2);
  const Tensor sums = args.sums.view({args.sums.size(0), 2 * h});
  reduce_row_blocks(stream, sums, 0, h, args.dgamma.data<float>(), args.accumulate);
  if (!args.dbeta.empty()) {
    reduce_row_blocks(stream, sums, h, h, args.dbeta.data<float>(), args.accumulate);
  }
}

}  // namespace stagecraft::cpu
