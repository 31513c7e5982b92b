// Medians.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels/base/span.h"

namespace stagecraft::bench {

inline double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.at(values.size() / 2);
}

}  // namespace stagecraft::bench
