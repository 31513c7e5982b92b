// bfloat16 on the CPU: an operation computes on float32 stand-ins of the tensors that hold it, and
// what it wrote is rounded to the nearest. Arguments in float32 pass through as they are.
#pragma once

#include <vector>

#include "kernels/core/stream.h"
#include "kernels/ops/adamw.h"
#include "kernels/ops/elementwise.h"
#include "kernels/ops/host_copy.h"
#include "kernels/ops/matmul.h"

namespace stagecraft::cpu {

/// Whether the CPU's function itself takes bfloat16: matmul multiplies it, the others move or round
/// it.
template <typename Args>
inline constexpr bool kTakesBfloat16 = false;
template <>
inline constexpr bool kTakesBfloat16<Matmul> = true;
template <>
inline constexpr bool kTakesBfloat16<MatmulBatch> = true;
template <>
inline constexpr bool kTakesBfloat16<Copy> = true;
template <>
inline constexpr bool kTakesBfloat16<Convert> = true;
template <>
inline constexpr bool kTakesBfloat16<FillZero> = true;
template <>
inline constexpr bool kTakesBfloat16<AdamW> = true;
template <>
inline constexpr bool kTakesBfloat16<CopyFromHost> = true;
template <>
inline constexpr bool kTakesBfloat16<CopyToHost> = true;
template <>
inline constexpr bool kTakesBfloat16<StartCopyToHost> = true;

/// Stand-ins of one call's tensors, contiguous and of a dtype that the operation takes.
class StandIns {
 public:
  explicit StandIns(Stream& stream) : stream_(stream) {}

  /// `tensor` becomes its stand-in, which holds `dtype`.
  void replace(Tensor& tensor, Access access, DType dtype);
  /// Copies what was written into the tensors that were replaced, rounded to what they hold.
  void store();

 private:
  Stream& stream_;
  std::vector<Convert> results_;
};

template <typename Args, void (*operation)(Stream&, const Args&)>
void in_float32(Stream& stream, const Args& args) {
  bool has_bfloat16 = false;
  for_each_tensor(args, [&](const Tensor& tensor, Access /*access*/) {
    has_bfloat16 = has_bfloat16 || tensor.dtype() == DType::bfloat16;
  });
  if (!has_bfloat16) {
    operation(stream, args);
    return;
  }
  Args replaced = args;
  StandIns stand_ins(stream);
  for_each_tensor(replaced, [&](Tensor& tensor, Access access) {
    if (tensor.dtype() == DType::bfloat16) {
      stand_ins.replace(tensor, access, DType::float32);
    }
  });
  operation(stream, replaced);
  stand_ins.store();
}

}  // namespace stagecraft::cpu
