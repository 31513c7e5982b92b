// Causal attention written down in float64, one probability at a time.
#pragma once

#include "kernels/ops/attention.h"
#include "tests/conformance/ops/reference.h"

namespace stagecraft::testing {

struct Attended {
  Values out;
  Values lse;
};

/// `qkv` is [samples * T, 3, heads, D].
Attended attention_reference(const AttentionShape& shape, const Values& qkv);
/// The gradient by the chain rule. `dout` is [samples * T, heads, D], the result as qkv.
Values attention_reference_gradient(const AttentionShape& shape, const Values& qkv,
                                    const Values& dout);

}  // namespace stagecraft::testing
