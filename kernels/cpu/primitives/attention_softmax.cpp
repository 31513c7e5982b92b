// Built with -ffp-contract=fast, as block_product.cpp is.
#include "kernels/cpu/primitives/attention_softmax.h"

#include "kernels/cpu/primitives/vector_exp.h"

namespace stagecraft::cpu {
namespace {

Vector larger(const Vector& a, const Vector& b) { return a > b ? a : b; }

/// The maximum of `start` and `keys` rows; two chains, since one waits for itself.
Vector column_maximum(const float* scores, std::int64_t keys, const Vector& start) {
  Vector even = start;
  Vector odd = start;
  std::int64_t key = 0;
  for (; key + 1 < keys; key += 2) {
    even = larger(load(scores + key * kQueryBlock), even);
    odd = larger(load(scores + (key + 1) * kQueryBlock), odd);
  }
  return larger(key < keys ? larger(load(scores + key * kQueryBlock), even) : even, odd);
}

}  // namespace

void softmax_step(const LaneRange& range, float* scores, float* maximum, float* sum,
                  float* correction) {
  for (std::int64_t lane = range.first_lane; lane < range.end_lane; lane += kVectorLanes) {
    const Vector before = load(maximum + lane);
    const Vector after = column_maximum(scores + lane, range.keys, before);
    const Vector factor = exp_nonpositive(before - after);
    Vector total{};
    for (std::int64_t key = 0; key < range.keys; ++key) {
      float* const score = scores + key * kQueryBlock + lane;
      const Vector value = exp_nonpositive(load(score) - after);
      total += value;
      store(score, value);
    }
    store(maximum + lane, after);
    store(correction + lane, factor);
    store(sum + lane, load(sum + lane) * factor + total);
  }
}

void probabilities(const LaneRange& range, float* scores, const float* lse) {
  for (std::int64_t lane = range.first_lane; lane < range.end_lane; lane += kVectorLanes) {
    const Vector shift = load(lse + lane);
    for (std::int64_t key = 0; key < range.keys; ++key) {
      float* const score = scores + key * kQueryBlock + lane;
      store(score, exp_nonpositive(load(score) - shift));
    }
  }
}

void score_gradient(const LaneRange& range, const float* probability, float* dprobability,
                    const float* delta) {
  for (std::int64_t lane = range.first_lane; lane < range.end_lane; lane += kVectorLanes) {
    const Vector shift = load(delta + lane);
    for (std::int64_t key = 0; key < range.keys; ++key) {
      const std::int64_t at = key * kQueryBlock + lane;
      store(dprobability + at, load(probability + at) * (load(dprobability + at) - shift));
    }
  }
}

void multiply_lanes(const LaneRange& range, float* rows, const float* factors) {
  for (std::int64_t lane = range.first_lane; lane < range.end_lane; lane += kVectorLanes) {
    const Vector factor = load(factors + lane);
    for (std::int64_t key = 0; key < range.keys; ++key) {
      float* const at = rows + key * kQueryBlock + lane;
      store(at, load(at) * factor);
    }
  }
}

void add(const LaneRange& range, float* a, const float* b) {
  for (std::int64_t key = 0; key < range.keys; ++key) {
    for (std::int64_t lane = range.first_lane; lane < range.end_lane; lane += kVectorLanes) {
      const std::int64_t at = key * kQueryBlock + lane;
      store(a + at, load(a + at) + load(b + at));
    }
  }
}

void multiply(const LaneRange& range, float* a, const float* b) {
  for (std::int64_t key = 0; key < range.keys; ++key) {
    for (std::int64_t lane = range.first_lane; lane < range.end_lane; lane += kVectorLanes) {
      const std::int64_t at = key * kQueryBlock + lane;
      store(a + at, load(a + at) * load(b + at));
    }
  }
}

}  // namespace stagecraft::cpu
