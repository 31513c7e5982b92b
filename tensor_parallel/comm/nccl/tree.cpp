#include "tensor_parallel/comm/nccl/tree.h"

#include <algorithm>
#include <vector>

#include "kernels/ops/elementwise.h"
#include "tensor_parallel/sharding/reduction_tree.h"

namespace stagecraft::nccl {
namespace {

/// Up to this size every member receives all tensors and reduces alone: one exchange instead of
/// two.
constexpr std::int64_t kSmallBytes = 64 << 10;
/// Slices consist of whole lines, so that each begins where a 16-byte vector may begin.
constexpr std::int64_t kLineElements = 32;

Tensor flat(const Tensor& x) { return x.view({x.elements()}); }

/// Member `index`'s slice of x: whole lines, as even as possible; the last members' slices may be
/// empty.
Tensor slice_of(const Tensor& x, int index, int size) {
  const std::int64_t elements = x.elements();
  const std::int64_t lines = (elements + kLineElements - 1) / kLineElements;
  const auto border = [&](int at) { return std::min(elements, lines * at / size * kLineElements); };
  return flat(x).rows(border(index), border(index + 1));
}

Tensor workspace(const TreeMember& member, std::int64_t elements, DType dtype) {
  Tensor x(member.stream.memory(), {elements}, dtype, MemoryLabel::workspace);
  x.buffer()->charge_to(member.payer, MemoryLabel::workspace);
  return x;
}

/// out = the parts, combined along the tree. This member's own part is only read, unless it is
/// `out`; the other parts are workspace and are overwritten.
void combine(const TreeMember& member, ReduceOp op, std::vector<Tensor> parts, const Tensor& out) {
  const std::vector<TreeNode> tree = reduction_tree(static_cast<int>(parts.size()));
  const auto own = static_cast<std::size_t>(member.rank);
  for (std::size_t i = 0; i < tree.size(); ++i) {
    const auto into = static_cast<std::size_t>(tree[i].into);
    const auto from = static_cast<std::size_t>(tree[i].from);
    const Tensor sum = i + 1 == tree.size() || into == own ? out : parts[into];
    if (op == ReduceOp::sum) {
      add(member.stream, {.a = parts[into], .b = parts[from], .c = sum});
    } else {
      maximum(member.stream, {.a = parts[into], .b = parts[from], .c = sum});
    }
    parts[into] = sum;
  }
}

/// Sends `sent(peer)` to every peer and receives every peer's part into workspace. Returns the
/// parts by rank; this member's is `mine`, not a copy.
template <typename F>
std::vector<Tensor> gather_parts(const TreeMember& member, const Tensor& mine, F&& sent) {
  const std::int64_t elements = mine.elements();
  const Tensor space = workspace(member, elements * (member.size - 1), mine.dtype());
  std::vector<Tensor> parts;
  std::vector<Transfer> transfers;
  for (int peer = 0; peer < member.size; ++peer) {
    if (peer == member.rank) {
      parts.push_back(flat(mine));
      continue;
    }
    const std::int64_t at = elements * (peer - (peer > member.rank ? 1 : 0));
    parts.push_back(space.rows(at, at + elements));
    transfers.push_back({Transfer::Direction::send, sent(peer), peer});
    transfers.push_back({Transfer::Direction::recv, parts.back(), peer});
  }
  member.link.exchange(member.stream, transfers);
  return parts;
}

/// Sends every member's slice to all other members.
void spread_slices(const TreeMember& member, const Tensor& x) {
  std::vector<Transfer> transfers;
  for (int peer = 0; peer < member.size; ++peer) {
    if (peer != member.rank) {
      transfers.push_back({Transfer::Direction::send, slice_of(x, member.rank, member.size), peer});
      transfers.push_back({Transfer::Direction::recv, slice_of(x, peer, member.size), peer});
    }
  }
  member.link.exchange(member.stream, transfers);
}

}  // namespace

void tree_all_reduce(const TreeMember& member, const Tensor& x, ReduceOp op) {
  if (x.bytes() <= kSmallBytes) {
    combine(member, op, gather_parts(member, x, [&](int) { return flat(x); }), flat(x));
    return;
  }
  const Tensor mine = slice_of(x, member.rank, member.size);
  combine(member, op,
          gather_parts(member, mine, [&](int peer) { return slice_of(x, peer, member.size); }),
          mine);
  spread_slices(member, x);
}

void tree_reduce_scatter(const TreeMember& member, const Tensor& x, const Tensor& part) {
  const std::int64_t elements = part.elements();
  const auto part_of = [&](int peer) {
    return flat(x).rows(peer * elements, (peer + 1) * elements);
  };
  combine(member, ReduceOp::sum, gather_parts(member, part_of(member.rank), part_of), flat(part));
}

}  // namespace stagecraft::nccl
