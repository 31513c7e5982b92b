#include "kernels/ops/elementwise.h"

#include "kernels/cuda/ops/dropout.h"
#include "kernels/cuda/primitives/for_each_group.cuh"
#include "kernels/cuda/primitives/reduce_lanes.cuh"
#include "kernels/cuda/primitives/row_sums.h"

namespace stagecraft::cuda {
namespace {

/// c = Combine(a, b), number by number.
template <typename T, typename Combine>
struct CombineGroups {
  static constexpr int kGroups = 1;
  static constexpr bool kWholeGroups = false;
  struct Loaded {
    float4 a, b;
  };
  const T* a;
  const T* b;
  T* c;
  __device__ CombineGroups at_row(std::int64_t row, const RowStrides& strides) const {
    return {a + row * strides.of[0], b + row * strides.of[1], c + row * strides.of[2]};
  }
  template <bool Vectorized>
  __device__ Loaded load(std::int64_t at, std::int64_t count) const {
    return {load4<Vectorized>(a, at, count), load4<Vectorized>(b, at, count)};
  }
  template <bool Vectorized>
  __device__ void store(std::int64_t at, std::int64_t count, const Loaded& x) const {
    const Combine combine;
    store4<Vectorized>(c, at, count,
                       {combine(x.a.x, x.b.x), combine(x.a.y, x.b.y), combine(x.a.z, x.b.z),
                        combine(x.a.w, x.b.w)});
  }
};

/// float64 is added only where sums of a few numbers are: no need for more at a time.
struct AddDoubles {
  static constexpr int kGroups = 1;
  static constexpr bool kWholeGroups = false;
  struct Loaded {};
  const double* a;
  const double* b;
  double* c;
  __device__ AddDoubles at_row(std::int64_t row, const RowStrides& strides) const {
    return {a + row * strides.of[0], b + row * strides.of[1], c + row * strides.of[2]};
  }
  template <bool Vectorized>
  __device__ Loaded load(std::int64_t /*at*/, std::int64_t /*count*/) const {
    return {};
  }
  template <bool Vectorized>
  __device__ void store(std::int64_t at, std::int64_t count, const Loaded& /*x*/) const {
    for (std::int64_t i = at; i < at + kGroup && i < count; ++i) {
      c[i] = a[i] + b[i];
    }
  }
};

template <typename From, typename To>
struct ConvertGroups {
  static constexpr int kGroups = 1;
  static constexpr bool kWholeGroups = false;
  using Loaded = float4;
  const From* from;
  To* to;
  __device__ ConvertGroups at_row(std::int64_t row, const RowStrides& strides) const {
    return {from + row * strides.of[0], to + row * strides.of[1]};
  }
  template <bool Vectorized>
  __device__ Loaded load(std::int64_t at, std::int64_t count) const {
    return load4<Vectorized>(from, at, count);
  }
  template <bool Vectorized>
  __device__ void store(std::int64_t at, std::int64_t count, const Loaded& x) const {
    store4<Vectorized>(to, at, count, x);
  }
};

/// The rows of a matrix as CUDA's calls for memory in two dimensions take them.
struct ByteRows {
  explicit ByteRows(const Tensor& matrix)
      : rows(static_cast<std::size_t>(matrix.size(0))),
        bytes(static_cast<std::size_t>(matrix.size(1) * size_of(matrix.dtype()))),
        stride(static_cast<std::size_t>(matrix.row_stride() * size_of(matrix.dtype()))) {}
  std::size_t rows;
  std::size_t bytes;
  std::size_t stride;
};

void copy_rows(Stream& stream, const Copy& args) {
  const ByteRows from(args.from);
  const ByteRows to(args.to);
  if (to.rows > 0 && to.bytes > 0) {
    check(cudaMemcpy2DAsync(args.to.first_element(), to.stride, args.from.first_element(),
                            from.stride, to.bytes, to.rows, cudaMemcpyDeviceToDevice,
                            native_stream(stream)),
          "copy");
  }
}

void clear_rows(Stream& stream, const Tensor& matrix) {
  const ByteRows on(matrix);
  if (on.rows > 0 && on.bytes > 0) {
    check(cudaMemset2DAsync(matrix.first_element(), on.stride, 0, on.bytes, on.rows,
                            native_stream(stream)),
          "fill_zero");
  }
}

template <typename T, typename Combine, typename Args>
void combine_groups(Stream& stream, std::string_view where, const Args& args) {
  const CombineGroups<T, Combine> f{first_of<T>(args.a), first_of<T>(args.b), first_of<T>(args.c)};
  for_each_element(stream, where, f, args.a, args.b, args.c);
}

}  // namespace

void bias_dropout_residual(Stream& stream, const BiasDropoutResidual& args) {
  dropout_rows(stream, "bias_dropout_residual",
               {.x = args.x,
                .added = args.bias,
                .residual = args.residual,
                .y = args.y,
                .dropout = args.dropout});
}

void dropout_backward(Stream& stream, const DropoutBackward& args) {
  dropout_rows(stream, "dropout_backward", {.x = args.dy, .y = args.dx, .dropout = args.dropout});
}

void bias_gradient(Stream& stream, const BiasGradient& args) {
  sum_rows(stream, "bias_gradient",
           {.x = args.dy, .out = args.dbias, .accumulate = args.accumulate});
}

void add(Stream& stream, const Add& args) {
  if (args.a.dtype() == DType::float64) {
    const AddDoubles f{first_of<double>(args.a), first_of<double>(args.b),
                       first_of<double>(args.c)};
    for_each_element(stream, "add", f, args.a, args.b, args.c);
    return;
  }
  with_element(args.a.dtype(), [&]<typename T>() { combine_groups<T, Plus>(stream, "add", args); });
}

void maximum(Stream& stream, const Maximum& args) {
  combine_groups<float, Larger>(stream, "maximum", args);
}

void copy(Stream& stream, const Copy& args) {
  const DeviceScope scope(stream.device().index);
  if (!args.from.contiguous() || !args.to.contiguous()) {
    copy_rows(stream, args);
    return;
  }
  check(cudaMemcpyAsync(args.to.raw(), args.from.raw(), static_cast<std::size_t>(args.to.bytes()),
                        cudaMemcpyDeviceToDevice, native_stream(stream)),
        "copy");
}

void convert(Stream& stream, const Convert& args) {
  with_element(args.from.dtype(), [&]<typename From>() {
    with_element(args.to.dtype(), [&]<typename To>() {
      const ConvertGroups<From, To> f{first_of<From>(args.from), first_of<To>(args.to)};
      for_each_element(stream, "convert", f, args.from, args.to);
    });
  });
}

void fill_zero(Stream& stream, const FillZero& args) {
  const DeviceScope scope(stream.device().index);
  if (!args.x.contiguous()) {
    clear_rows(stream, args.x);
    return;
  }
  check(cudaMemsetAsync(args.x.raw(), 0, static_cast<std::size_t>(args.x.bytes()),
                        native_stream(stream)),
        "fill_zero");
}

}  // namespace stagecraft::cuda
