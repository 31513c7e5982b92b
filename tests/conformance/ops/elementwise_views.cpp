// Element-wise operations on column ranges have the bits that they have on tensors of their own,
// which elementwise.cpp, dropout.cpp and mixed_precision.cpp hold against references.
#include "kernels/ops/checks.h"
#include "kernels/ops/elementwise.h"
#include "tests/conformance/ops/column_ranges.h"

namespace stagecraft::testing {
namespace {

/// The matrices of one operation: its inputs, drawn, and its result.
class Matrices {
 public:
  Matrices(Stream& stream, const Shape& shape, DType dtype, const std::array<Layout, 3>& layouts)
      : stream_(stream), shape_(shape), dtype_(dtype), layouts_(layouts) {}

  /// Input number 0 or 1.
  LaidMatrix input(int number) const {
    return {stream_, shape_, rounded_to(dtype_, random_values(elements_of(shape_), 7 + number)),
            layouts_.at(static_cast<std::size_t>(number)), dtype_};
  }
  LaidMatrix result() const { return {stream_, shape_, layouts_[2], dtype_}; }
  Tensor bias() const {
    return tensor_of(stream_, {shape_[1]}, rounded_to(dtype_, random_values(shape_[1], 9)), dtype_);
  }
  Dropout dropout() const {
    return {.probability = 0.25F,
            .key = 5,
            .step = 3,
            .rows_per_sample = std::max<std::int64_t>(1, shape_[0])};
  }
  Stream& stream() const { return stream_; }
  const Shape& shape() const { return shape_; }

 private:
  Stream& stream_;
  Shape shape_;
  DType dtype_;
  std::array<Layout, 3> layouts_;
};

using Operation = std::function<Values(const Matrices&)>;

Values with_result(const Matrices& on, const std::function<void(const Tensor&)>& operation) {
  const LaidMatrix result = on.result();
  operation(result.tensor());
  return result.values(on.stream());
}

/// The second input is the result, too.
Values in_place(const Matrices& on, const std::function<void(const Tensor&)>& operation) {
  const LaidMatrix result = on.input(1);
  operation(result.tensor());
  return result.values(on.stream());
}

const std::vector<std::pair<std::string, Operation>>& operations() {
  static const std::vector<std::pair<std::string, Operation>> kAll = {
      {"activation_forward",
       [](const Matrices& on) {
         const LaidMatrix x = on.input(0);
         return with_result(on, [&](const Tensor& y) {
           activation_forward(on.stream(), {x.tensor(), y});
         });
       }},
      {"activation_backward",
       [](const Matrices& on) {
         const LaidMatrix dy = on.input(0);
         const LaidMatrix x = on.input(1);
         return with_result(on, [&](const Tensor& dx) {
           activation_backward(on.stream(), {dy.tensor(), x.tensor(), dx});
         });
       }},
      {"activation_backward in place",
       [](const Matrices& on) {
         const LaidMatrix x = on.input(0);
         return in_place(on, [&](const Tensor& dx) {
           activation_backward(on.stream(), {dx, x.tensor(), dx});
         });
       }},
      {"bias_dropout_residual",
       [](const Matrices& on) {
         const LaidMatrix x = on.input(0);
         const LaidMatrix residual = on.input(1);
         return with_result(on, [&](const Tensor& y) {
           bias_dropout_residual(on.stream(), {.x = x.tensor(),
                                               .bias = on.bias(),
                                               .residual = residual.tensor(),
                                               .dropout = on.dropout(),
                                               .y = y});
         });
       }},
      {"bias in place",
       [](const Matrices& on) {
         return in_place(on, [&](const Tensor& y) {
           bias_dropout_residual(on.stream(), {.x = y, .bias = on.bias(), .y = y});
         });
       }},
      {"dropout_backward",
       [](const Matrices& on) {
         const LaidMatrix dy = on.input(0);
         return with_result(on, [&](const Tensor& dx) {
           dropout_backward(on.stream(), {.dy = dy.tensor(), .dropout = on.dropout(), .dx = dx});
         });
       }},
      {"bias_gradient",
       [](const Matrices& on) {
         const LaidMatrix dy = on.input(0);
         const Tensor dbias = poisoned(on.stream(), {on.shape()[1]});
         bias_gradient(on.stream(), {.dy = dy.tensor(), .dbias = dbias, .accumulate = false});
         return values_of(on.stream(), dbias);
       }},
      {"add",
       [](const Matrices& on) {
         const LaidMatrix a = on.input(0);
         const LaidMatrix b = on.input(1);
         return with_result(on, [&](const Tensor& c) {
           add(on.stream(), {a.tensor(), b.tensor(), c});
         });
       }},
      {"add in place",
       [](const Matrices& on) {
         const LaidMatrix a = on.input(0);
         return in_place(on, [&](const Tensor& c) { add(on.stream(), {a.tensor(), c, c}); });
       }},
      {"copy",
       [](const Matrices& on) {
         const LaidMatrix from = on.input(0);
         return with_result(on, [&](const Tensor& to) { copy(on.stream(), {from.tensor(), to}); });
       }},
      {"convert",
       [](const Matrices& on) {
         const LaidMatrix from = on.input(0);
         const DType other =
             from.tensor().dtype() == DType::float32 ? DType::bfloat16 : DType::float32;
         const LaidMatrix between(on.stream(), on.shape(), Layout::unaligned_columns, other);
         convert(on.stream(), {from.tensor(), between.tensor()});
         return with_result(on, [&](const Tensor& to) {
           convert(on.stream(), {between.tensor(), to});
         });
       }},
      {"fill_zero", [](const Matrices& on) {
         return with_result(on, [&](const Tensor& x) { fill_zero(on.stream(), {x}); });
       }}};
  return kAll;
}

void check_operation(Stream& stream, const Operation& operation, const Shape& shape, DType dtype) {
  const auto with = [&](const std::array<Layout, 3>& layouts) {
    return operation(Matrices(stream, shape, dtype, layouts));
  };
  const Values expected = with({Layout::contiguous, Layout::contiguous, Layout::contiguous});
  for (const std::array<Layout, 3>& layouts :
       {std::array{Layout::aligned_columns, Layout::aligned_columns, Layout::aligned_columns},
        std::array{Layout::unaligned_columns, Layout::unaligned_columns, Layout::unaligned_columns},
        std::array{Layout::aligned_columns, Layout::contiguous, Layout::contiguous},
        std::array{Layout::contiguous, Layout::unaligned_columns, Layout::aligned_columns},
        std::array{Layout::contiguous, Layout::contiguous_unaligned, Layout::unaligned_columns}}) {
    CAPTURE(static_cast<int>(layouts[0]), static_cast<int>(layouts[1]),
            static_cast<int>(layouts[2]));
    CHECK(same_bits({with(layouts)}, {expected}));
  }
}

}  // namespace

TEST_CASE("element-wise operations on column ranges have the bits of tensors of their own") {
  for (DeviceUnderTest& device : devices_under_test()) {
    INFO("device " << device.name);
    for (const auto& stream : device.streams) {
      for (const DType dtype : {DType::float32, DType::bfloat16}) {
        for (const auto& [name, operation] : operations()) {
          const bool only_moves = name == "copy" || name == "convert" || name == "fill_zero";
          if (dtype == DType::bfloat16 && !only_moves && !without_bfloat16(*stream).empty()) {
            continue;
          }
          for (const Shape& shape : {Shape{1, 1}, Shape{5, 7}, Shape{64, 96}, Shape{130, 257},
                                     Shape{33, 1600}, Shape{0, 8}, Shape{8, 0}}) {
            CAPTURE(name, to_string(dtype), to_string(shape));
            check_operation(*stream, operation, shape, dtype);
          }
        }
      }
    }
  }
}

TEST_CASE("maximum and sums in float64 of column ranges") {
  for (const DType dtype : {DType::float32, DType::float64}) {
    for (const Layout layout : {Layout::aligned_columns, Layout::unaligned_columns}) {
      const Values a = random_values(33 * 20, 1);
      const Values b = random_values(33 * 20, 2);
      const auto combined = [&](Stream& stream) {
        const LaidMatrix left(stream, {33, 20}, a, layout, dtype);
        const LaidMatrix right(stream, {33, 20}, b, Layout::contiguous, dtype);
        const LaidMatrix result(stream, {33, 20}, layout, dtype);
        if (dtype == DType::float32) {
          maximum(stream, {left.tensor(), right.tensor(), result.tensor()});
        } else {
          add(stream, {left.tensor(), right.tensor(), result.tensor()});
        }
        return std::vector<Values>{result.values(stream)};
      };
      Values expected(a.size());
      for (std::size_t i = 0; i < a.size(); ++i) {
        expected[i] = dtype == DType::float32 ? std::max(a[i], b[i]) : a[i] + b[i];
      }
      conform(combined, {expected}, 0);
    }
  }
}

TEST_CASE("column ranges of one tensor are disjoint if they share no column") {
  for (DeviceUnderTest& device : devices_under_test()) {
    Stream& stream = *device.streams.front();
    const Tensor both = tensor_of(stream, {3, 8}, random_values(24, 1));
    CHECK_NOTHROW(activation_forward(stream, {both.columns(0, 4), both.columns(4, 8)}));
    CHECK_NOTHROW(add(stream, {both.columns(0, 4), both.columns(4, 8), both.columns(0, 4)}));
  }
  refuses(
      [](Stream& stream) {
        const Tensor both = poisoned(stream, {3, 8});
        activation_forward(stream, {both.columns(0, 4), both.columns(3, 7)});
      },
      "y shares memory with x");
  refuses(
      [](Stream& stream) {
        const Tensor both = poisoned(stream, {3, 8});
        add(stream, {both.columns(0, 4), both.columns(4, 8), both.columns(1, 5)});
      },
      "c shares a part of its memory with a");
}

}  // namespace stagecraft::testing
