#include "tensor_parallel/comm/local/collectives.h"

#include <algorithm>
#include <functional>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/ops/elementwise.h"
#include "tensor_parallel/sharding/reduction_tree.h"

namespace stagecraft::local {
namespace {

/// Elements reduced at a time: the pieces of all members stay in the cache between the levels of
/// the tree.
constexpr std::int64_t kCachePiece = 32768;
constexpr std::int64_t kCacheLineElements = 16;

struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// `range` of the flat view of x.
Tensor piece_of(const Tensor& x, const Range& range) {
  return x.view({x.elements()}).rows(range.begin, range.end);
}

/// Part `part` of `parts`: whole cache lines, as even as possible.
Range slice_of(std::int64_t elements, int part, int parts) {
  const std::int64_t lines = (elements + kCacheLineElements - 1) / kCacheLineElements;
  const auto border = [&](int index) {
    return std::min(elements, lines * index / parts * kCacheLineElements);
  };
  return {border(part), border(part + 1)};
}

/// The index-th of equal parts.
Range part_of(std::int64_t part_elements, int index) {
  return {part_elements * index, part_elements * (index + 1)};
}

/// Calls f for pieces that cover `range`: small pieces that fit the CPU's caches; one piece on a
/// GPU, where every piece costs a kernel launch.
void for_each_piece(Stream& stream, const Range& range, const std::function<void(Range)>& f) {
  const bool cut = stream.device().kind == DeviceKind::cpu;
  const std::int64_t step = cut ? kCachePiece : std::max<std::int64_t>(1, range.end - range.begin);
  for (std::int64_t begin = range.begin; begin < range.end; begin += step) {
    f({begin, std::min(begin + step, range.end)});
  }
}

/// `piece` of a member's tensor on this stream's device: copied if it is on another device.
Tensor within_reach(Stream& stream, const Posting& owner, Tensor piece) {
  if (owner.device == stream.device()) {
    return piece;
  }
  Tensor here(stream.memory(), piece.shape(), piece.dtype(), MemoryLabel::workspace);
  copy(stream, {.from = piece, .to = here});
  return here;
}

void combine_parts(Stream& stream, ReduceOp op, const Tensor& a, const Tensor& b, const Tensor& c) {
  if (op == ReduceOp::sum) {
    add(stream, {.a = a, .b = b, .c = c});
  } else {
    maximum(stream, {.a = a, .b = b, .c = c});
  }
}

/// A part owns one slice of every member's tensor: it reduces the slice, in place where possible,
/// and copies the result to all members.
void all_reduce_part(Stream& stream, std::span<const Posting> postings, int part) {
  const int size = static_cast<int>(postings.size());
  const ReduceOp op = postings[0].call.reduce;
  const std::vector<TreeNode> tree = reduction_tree(size);
  const Range slice = slice_of(postings[0].call.in.elements(), part, size);
  for_each_piece(stream, slice, [&](Range piece) {
    std::vector<Tensor> places;
    std::vector<Tensor> parts;
    for (const Posting& posting : postings) {
      places.push_back(piece_of(posting.call.in, piece));
      parts.push_back(within_reach(stream, posting, places.back()));
    }
    for (const auto [into, from] : tree) {
      combine_parts(stream, op, parts.at(into), parts.at(from), parts.at(into));
    }
    for (const Tensor& place : places) {
      if (place.raw() != parts.front().raw()) {
        copy(stream, {.from = parts.front(), .to = place});
      }
    }
  });
}

/// Storage for the partial sums of a piece: part 0 uses the result, the others use workspace.
class PartialSums {
 public:
  PartialSums(Stream& stream, int parts) : stream_(stream), workspace_(parts) {}

  Tensor place(int part, const Tensor& result) {
    if (part == 0) {
      return result;
    }
    Tensor& kept = workspace_.at(part);
    if (kept.empty() || kept.elements() < result.elements()) {
      kept = Tensor(stream_.memory(), result.shape(), result.dtype(), MemoryLabel::workspace);
    }
    return kept.rows(0, result.elements());
  }

 private:
  Stream& stream_;
  std::vector<Tensor> workspace_;
};

/// Reduces one member's range of all inputs into its result. The inputs do not change.
void reduce_scatter_part(Stream& stream, std::span<const Posting> postings, int part) {
  const Tensor& out = postings[part].call.out;
  const std::vector<TreeNode> tree = reduction_tree(static_cast<int>(postings.size()));
  PartialSums sums(stream, static_cast<int>(postings.size()));
  const std::int64_t shift = part_of(out.elements(), part).begin;
  for_each_piece(stream, {0, out.elements()}, [&](Range piece) {
    const Tensor result = piece_of(out, piece);
    std::vector<Tensor> parts;
    parts.reserve(postings.size());
    for (const Posting& posting : postings) {
      parts.push_back(within_reach(
          stream, posting, piece_of(posting.call.in, {piece.begin + shift, piece.end + shift})));
    }
    for (const auto [into, from] : tree) {
      const Tensor sum = sums.place(into, result);
      add(stream, {.a = parts.at(into), .b = parts.at(from), .c = sum});
      parts.at(into) = sum;
    }
    if (tree.empty()) {
      copy(stream, {.from = parts.front(), .to = result});
    }
  });
}

/// A part copies one member's elements to all members.
void all_gather_part(Stream& stream, std::span<const Posting> postings, int part) {
  const Tensor& from = postings[part].call.in;
  const Range place = part_of(from.elements(), part);
  for (const Posting& posting : postings) {
    copy(stream, {.from = from.view({from.elements()}), .to = piece_of(posting.call.out, place)});
  }
}

/// A part copies the root's tensor into one member's tensor.
void broadcast_part(Stream& stream, std::span<const Posting> postings, int part) {
  const int root = postings[part].call.peer;
  if (part != root) {
    copy(stream, {.from = postings[root].call.in, .to = postings[part].call.in});
  }
}

}  // namespace

void perform(Stream& stream, std::span<const Posting> postings, int part) {
  switch (postings[part].call.operation) {
    case Operation::all_reduce:
      return all_reduce_part(stream, postings, part);
    case Operation::reduce_scatter:
      return reduce_scatter_part(stream, postings, part);
    case Operation::all_gather:
      return all_gather_part(stream, postings, part);
    case Operation::broadcast:
      return broadcast_part(stream, postings, part);
    default:
      throw Error("local::perform", "this operation does no work on tensors");
  }
}

}  // namespace stagecraft::local
