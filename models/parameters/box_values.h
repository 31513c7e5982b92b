// The elements of a box on the host, and within a tensor, where they need not follow each other.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "tensor_parallel/sharding/box.h"

namespace stagecraft {

/// Floats of the host that nobody has set: a vector would clear gigabytes on one thread.
class HostValues {
 public:
  explicit HostValues(std::int64_t elements)
      : floats_(std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(elements))),
        count_(static_cast<std::size_t>(elements)) {}
  std::span<float> all() const { return {floats_.get(), count_}; }
  std::span<float> part(const ElementRun& run) const {
    return all().subspan(static_cast<std::size_t>(run.begin), static_cast<std::size_t>(run.count));
  }

 private:
  std::unique_ptr<float[]> floats_;
  std::size_t count_;
};

/// Copies the elements of a box, row-major, out of `hull`: the elements hull_of(box, shape) of a
/// tensor.
void gather_box(std::span<const float> hull, const Box& box, const Shape& shape,
                std::span<float> to);

/// The way back. The other elements of the hull stay as they are.
void scatter_box(std::span<const float> from, const Box& box, const Shape& shape,
                 std::span<float> hull);

}  // namespace stagecraft
