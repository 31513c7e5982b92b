// What attention does to a block of scores between its products. A row is a key, a lane is a query,
// rows are kQueryBlock floats apart: maxima and sums over the keys of a query stay within a lane.
#pragma once

#include <cstdint>

namespace stagecraft::cpu {

inline constexpr std::int64_t kQueryBlock = 64;
inline constexpr std::int64_t kKeyBlock = 64;

/// The part of a block that is computed: all `keys` rows of lanes first_lane .. end_lane - 1, both
/// multiples of kVectorLanes.
struct LaneRange {
  std::int64_t keys = 0;
  std::int64_t first_lane = 0;
  std::int64_t end_lane = 0;
};

/// One step of the online softmax (Milakov & Gimelshein, arXiv 1805.02867): scores becomes
/// exp(scores - new maximum); maximum and sum, [kQueryBlock] each, go on; correction is what
/// everything accumulated under the old maximum has to be multiplied by.
void softmax_step(const LaneRange& range, float* scores, float* maximum, float* sum,
                  float* correction);

/// scores becomes exp(scores - lse[lane]).
void probabilities(const LaneRange& range, float* scores, const float* lse);

/// dprobability becomes probability * (dprobability - delta[lane]), the gradient of the scores.
void score_gradient(const LaneRange& range, const float* probability, float* dprobability,
                    const float* delta);

/// rows[k][lane] *= factors[lane].
void multiply_lanes(const LaneRange& range, float* rows, const float* factors);

/// a[k][lane] += b[k][lane].
void add(const LaneRange& range, float* a, const float* b);

/// a[k][lane] *= b[k][lane].
void multiply(const LaneRange& range, float* a, const float* b);

}  // namespace stagecraft::cpu
