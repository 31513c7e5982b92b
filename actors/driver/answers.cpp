#include "actors/driver/answers.h"

#include "kernels/base/error.h"

namespace stagecraft {

bool Answers::add(int rank, std::string_view what) {
  require(rank >= 0 && rank < static_cast<int>(has_answered_.size()), "protocol",
          "{} came from rank {}, but there are {} ranks", what, rank, has_answered_.size());
  require(!has(rank), "protocol", "{} came twice from rank {}", what, rank);
  has_answered_[static_cast<std::size_t>(rank)] = true;
  ++count_;
  return complete();
}

}  // namespace stagecraft
