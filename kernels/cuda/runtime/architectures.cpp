#include "kernels/cuda/runtime/architectures.h"

#include <charconv>
#include <sstream>

namespace stagecraft::cuda {

bool has_code_for(const std::string& architectures, int major, int minor) {
  constexpr int kStartsEarly = 9;
  std::istringstream words(architectures);
  for (std::string word; words >> word;) {
    int number = 0;
    std::from_chars(word.data(), word.data() + word.size(), number);
    const bool same_generation = number / 10 == major && number % 10 <= minor;
    const bool has_ptx = word.find("-real") == std::string::npos;
    const bool waits = major < kStartsEarly || number >= 10 * kStartsEarly;
    if (same_generation || (has_ptx && waits && number <= major * 10 + minor)) {
      return true;
    }
  }
  return false;
}

}  // namespace stagecraft::cuda
