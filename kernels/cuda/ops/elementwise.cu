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
  struct Loaded {
    float4 a, b;
  };
  const T* a;
  const T* b;
  T* c;
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
  struct Loaded {};
  const double* a;
  const double* b;
  double* c;
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
  using Loaded = float4;
  const From* from;
  To* to;
  template <bool Vectorized>
  __device__ Loaded load(std::int64_t at, std::int64_t count) const {
    return load4<Vectorized>(from, at, count);
  }
  template <bool Vectorized>
  __device__ void store(std::int64_t at, std::int64_t count, const Loaded& x) const {
    store4<Vectorized>(to, at, count, x);
  }
};

template <typename T, typename Combine, typename Args>
void combine_groups(Stream& stream, std::string_view where, const Args& args) {
  const CombineGroups<T, Combine> f{args.a.template data<T>(), args.b.template data<T>(),
                                    args.c.template data<T>()};
  for_each_group(stream, where, args.a.elements(), is_vectorizable({f.a, f.b, f.c}), f);
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
    for_each_group(stream, "add", args.a.elements(), false,
                   AddDoubles{args.a.data<double>(), args.b.data<double>(), args.c.data<double>()});
    return;
  }
  with_element(args.a.dtype(), [&]<typename T>() { combine_groups<T, Plus>(stream, "add", args); });
}

void maximum(Stream& stream, const Maximum& args) {
  combine_groups<float, Larger>(stream, "maximum", args);
}

void copy(Stream& stream, const Copy& args) {
  const DeviceScope scope(stream.device().index);
  check(cudaMemcpyAsync(args.to.raw(), args.from.raw(), static_cast<std::size_t>(args.to.bytes()),
                        cudaMemcpyDeviceToDevice, native_stream(stream)),
        "copy");
}

void convert(Stream& stream, const Convert& args) {
  with_element(args.from.dtype(), [&]<typename From>() {
    with_element(args.to.dtype(), [&]<typename To>() {
      const ConvertGroups<From, To> f{args.from.data<From>(), args.to.data<To>()};
      for_each_group(stream, "convert", args.from.elements(), is_vectorizable({f.from, f.to}), f);
    });
  });
}

void fill_zero(Stream& stream, const FillZero& args) {
  const DeviceScope scope(stream.device().index);
  check(cudaMemsetAsync(args.x.raw(), 0, static_cast<std::size_t>(args.x.bytes()),
                        native_stream(stream)),
        "fill_zero");
}

}  // namespace stagecraft::cuda
