#include "kernels/cpu/ops/mixed_precision.h"

#include "kernels/ops/dispatch.h"

namespace stagecraft::cpu {

void StandIns::replace(Tensor& tensor, Access access, DType dtype) {
  const Tensor stand_in(stream_.memory(), tensor.shape(), dtype, MemoryLabel::workspace);
  if (access != Access::write) {
    dispatch(stream_, Convert{tensor, stand_in});
  }
  if (access != Access::read) {
    results_.push_back({stand_in, tensor});
  }
  tensor = stand_in;
}

void StandIns::store() {
  for (const Convert& result : results_) {
    dispatch(stream_, result);
  }
}

}  // namespace stagecraft::cpu
