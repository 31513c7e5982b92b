#include "models/checkpoint/weight_layout.h"

#include <algorithm>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

Box exchanged(Box box) {
  std::swap(box.begin[0], box.begin[1]);
  std::swap(box.end[0], box.end[1]);
  return box;
}

/// Runs of both sides have one order, and the count of one divides the other's.
void for_each_plain_run(const WeightPart& part, const std::function<void(const WeightRun&)>& f) {
  const std::vector<ElementRun> in_file = runs_of(part.in_file, part.file);
  const std::vector<ElementRun> in_box = runs_of(part.in_box, part.box);
  const std::int64_t count = std::min(in_file.front().count, in_box.front().count);
  const auto begin_of = [count](const std::vector<ElementRun>& runs, std::int64_t index) {
    const std::int64_t parts = runs.front().count / count;
    return runs[static_cast<std::size_t>(index / parts)].begin + index % parts * count;
  };
  const std::int64_t runs = elements_of(part.in_file.shape()) / count;
  for (std::int64_t i = 0; i < runs; ++i) {
    f({begin_of(in_file, i), begin_of(in_box, i), count, 1});
  }
}

/// A tile is one cache line wide in the box.
void for_each_transposed_run(const WeightPart& part,
                             const std::function<void(const WeightRun&)>& f) {
  constexpr std::int64_t kTileRows = 16;
  constexpr std::int64_t kTileColumns = 64;
  const Shape sizes = part.in_file.shape();
  const auto run_at = [&part](std::int64_t row, std::int64_t column, std::int64_t count) {
    return WeightRun{(part.in_file.begin[0] + row) * part.file[1] + part.in_file.begin[1] + column,
                     (part.in_box.begin[0] + column) * part.box[1] + part.in_box.begin[1] + row,
                     count, part.box[1]};
  };
  for (std::int64_t top = 0; top < sizes[0]; top += kTileRows) {
    for (std::int64_t column = 0; column < sizes[1]; column += kTileColumns) {
      const std::int64_t count = std::min(kTileColumns, sizes[1] - column);
      for (std::int64_t row = top; row < std::min(top + kTileRows, sizes[0]); ++row) {
        f(run_at(row, column, count));
      }
    }
  }
}

std::string described(const std::vector<WeightTensor>& tensors) {
  std::string text;
  for (const WeightTensor& tensor : tensors) {
    text += fmt::format("{}{} .. {} ({})", text.empty() ? "" : ", ", tensor.part.begin.back(),
                        tensor.part.end.back(), tensor.name);
  }
  return text;
}

void check_cover(const std::vector<WeightTensor>& tensors, const ParameterSpec& parameter) {
  std::int64_t end = 0;
  bool covers = true;
  for (const WeightTensor& tensor : tensors) {
    covers = covers && tensor.part.begin.back() == end;
    end = tensor.part.end.back();
  }
  require(covers && end == parameter.shape.back(), "WeightNames",
          "the tensors of {} {} have to hold each of its columns once, but they hold {}",
          parameter.name, parameter.shape, described(tensors));
}

}  // namespace

WeightTensor weight_tensor(const FileTensor& tensor, const ParameterSpec& parameter) {
  const ElementRange all{0, parameter.shape.back()};
  const ElementRange columns = tensor.columns == ElementRange{} ? all : tensor.columns;
  require(0 <= columns.begin && columns.begin < columns.end && columns.end <= all.end,
          "WeightNames", "{} {} has no columns {} .. {}, which tensor {} is to hold",
          parameter.name, parameter.shape, columns.begin, columns.end, tensor.name);
  require(!tensor.transposed || parameter.shape.size() == 2, "WeightNames",
          "tensor {} cannot be transposed: {} is {}", tensor.name, parameter.name, parameter.shape);
  Box part = whole_box(parameter.shape);
  part.begin.back() = columns.begin;
  part.end.back() = columns.end;
  Shape shape = part.shape();
  if (tensor.transposed) {
    std::swap(shape[0], shape[1]);
  }
  return {tensor.name, shape, part, tensor.transposed};
}

std::vector<WeightTensor> weight_tensors(const WeightNames& names, const ParameterSpec& parameter) {
  std::vector<WeightTensor> tensors;
  for (const FileTensor& tensor : names.tensors) {
    if (tensor.parameter == parameter.name) {
      tensors.push_back(weight_tensor(tensor, parameter));
    }
  }
  if (tensors.empty()) {
    return {weight_tensor({.name = parameter.name, .parameter = parameter.name}, parameter)};
  }
  std::ranges::sort(tensors, {}, [](const WeightTensor& one) { return one.part.begin.back(); });
  check_cover(tensors, parameter);
  return tensors;
}

std::optional<WeightPart> shared_part(const WeightTensor& tensor, const Box& box) {
  const std::optional<Box> common = intersection(tensor.part, box);
  if (!common) {
    return {};
  }
  const Box in_part = within(*common, tensor.part);
  return WeightPart{.in_file = tensor.transposed ? exchanged(in_part) : in_part,
                    .file = tensor.shape,
                    .in_box = within(*common, box),
                    .box = box.shape(),
                    .transposed = tensor.transposed};
}

void for_each_run(const WeightPart& part, const std::function<void(const WeightRun&)>& f) {
  part.transposed ? for_each_transposed_run(part, f) : for_each_plain_run(part, f);
}

}  // namespace stagecraft
