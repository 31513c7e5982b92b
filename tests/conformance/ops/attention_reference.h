// Attention written down in float64, one probability at a time.
#pragma once

#include "kernels/ops/attention.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {

/// Which keys rows have, as the operation is given it: [2, samples * T], [samples], or nothing.
struct KeyRanges {
  Values keys = {};
  Values lengths = {};
};

/// Numbers of a row of q | k | v.
inline std::int64_t joined_width(const AttentionShape& shape) {
  return (shape.heads + 2 * shape.key_heads()) * shape.head_size;
}

struct Attended {
  Values out;
  Values lse;
};

/// `qkv` is [samples * T, q | k | v].
Attended attention_reference(const AttentionShape& shape, const Values& qkv,
                             const KeyRanges& ranges = {});
/// The gradient by the chain rule. `dout` is [samples * T, heads, D], the result as qkv.
Values attention_reference_gradient(const AttentionShape& shape, const Values& qkv,
                                    const Values& dout, const KeyRanges& ranges = {});

/// How far a gradient is from what it should be, of queries, keys and values each by itself:
/// relative to that part alone.
struct PartTolerance {
  double largest;  // max_relative_error
  double rms;      // rms_relative_error
};
/// Checks dqkv [samples * T, dq | dk | dv]. With one token the gradients of queries and keys are
/// zero; then what is there is compared with the gradient of the values.
void check_parts(const AttentionShape& shape, const Values& dqkv, const Values& expected,
                 const PartTolerance& tolerance);

}  // namespace stagecraft::testing
