#include "tensor_parallel/comm/mpi/collectives.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/mpi/combine_parts.h"
#include "tensor_parallel/comm/mpi/rendezvous.h"

namespace stagecraft::mpi {
namespace {

/// Up to this size every member reads all tensors and reduces alone: adding is cheaper than a
/// round.
constexpr std::int64_t kSmallBytes = 16 << 10;
constexpr std::int64_t kCacheLine = 64;

std::byte* bytes_of(const Tensor& x) { return static_cast<std::byte*>(x.raw()); }

void copy_bytes(const std::byte* from, std::byte* to, std::int64_t count) {
  std::memcpy(to, from, static_cast<std::size_t>(count));
}

/// A byte range of a tensor.
struct Range {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t count() const { return end - begin; }
};

/// The index-th of the pieces of `step` bytes that cover `bytes`.
Range piece_at(std::int64_t bytes, std::int64_t step, std::int64_t index) {
  return {std::min(bytes, index * step), std::min(bytes, (index + 1) * step)};
}

std::int64_t pieces_of(std::int64_t bytes, std::int64_t step) { return (bytes + step - 1) / step; }

/// Bytes of a member's slice of a piece: whole cache lines, so that two members never write to one
/// line.
std::int64_t slice_bytes(const Range& piece, int members) {
  const std::int64_t line = kCacheLine * members;
  return (piece.count() + line - 1) / line * kCacheLine;
}

Range slice_of(const Range& piece, int member, int members) {
  const Range slice = piece_at(piece.count(), slice_bytes(piece, members), member);
  return {piece.begin + slice.begin, piece.begin + slice.end};
}

/// Joins `count` bytes at `where(member)` of every member into `out` and `copy`.
void combine_members(const Exchange& exchange, const Call& call, std::int64_t count, std::byte* out,
                     const std::function<const std::byte*(int)>& where, std::byte* copy = nullptr) {
  std::vector<const std::byte*> parts;
  parts.reserve(static_cast<std::size_t>(exchange.size()));
  for (int member = 0; member < exchange.size(); ++member) {
    parts.push_back(where(member));
  }
  combine_parts(call.reduce, call.in.dtype(), parts, count / size_of(call.in.dtype()), out, copy);
}

/// Every member has published its whole tensor behind its call signature; `out` receives the sum of
/// `range`.
void reduce_small(Exchange& exchange, const Call& call, std::byte* out, const Range& range) {
  combine_members(exchange, call, range.count(), out, [&](int member) {
    return exchange.of(member) + kCallSignatureBytes + range.begin;
  });
}

bool is_small(const Call& call) { return !call.in.empty() && call.in.bytes() <= kSmallBytes; }

/// Publishes a small tensor together with the call signature, so that one round is enough.
void rendezvous_with_tensor(Exchange& exchange, const Call& call) {
  copy_bytes(bytes_of(call.in), exchange.to_all() + kCallSignatureBytes, call.in.bytes());
  rendezvous(exchange, call, call.in.bytes());
}

/// A large tensor, piece by piece: a member receives its slice of a piece from all others, reduces
/// it, and publishes the result in the round that also carries the slices of the next piece.
class LargeAllReduce {
 public:
  LargeAllReduce(Exchange& exchange, const Call& call)
      : exchange_(exchange),
        call_(call),
        x_(bytes_of(call.in)),
        step_(exchange.lane() * exchange.size()) {}

  void run() {
    const std::int64_t pieces = pieces_of(call_.in.bytes(), step_);
    lay_out(piece(0));
    exchange_.round({.for_one = slice_bytes(piece(0), exchange_.size())});
    for (std::int64_t index = 0; index < pieces; ++index) {
      const Range next = piece(index + 1);
      reduce(piece(index));
      lay_out(next);
      exchange_.round(
          {.for_all = slice_of(piece(index), exchange_.rank(), exchange_.size()).count(),
           .for_one =
               index + 1 < pieces ? slice_bytes(next, exchange_.size()) : RoundSizes::kNothing});
      take_in(piece(index));
    }
  }

 private:
  Range piece(std::int64_t index) const { return piece_at(call_.in.bytes(), step_, index); }

  template <typename F>
  void for_each_other(const Range& piece, F&& f) {
    for (int step = 1; step < exchange_.size(); ++step) {
      const int member = (exchange_.rank() + step) % exchange_.size();
      f(member, slice_of(piece, member, exchange_.size()));
    }
  }
  void lay_out(const Range& piece) {
    for_each_other(piece, [&](int member, const Range& slice) {
      copy_bytes(x_ + slice.begin, exchange_.to_one(member), slice.count());
    });
  }
  void reduce(const Range& piece) {
    const Range mine = slice_of(piece, exchange_.rank(), exchange_.size());
    const auto where = [&](int member) {
      return member == exchange_.rank() ? x_ + mine.begin : exchange_.from(member);
    };
    combine_members(exchange_, call_, mine.count(), exchange_.to_all(), where, x_ + mine.begin);
  }
  void take_in(const Range& piece) {
    for_each_other(piece, [&](int member, const Range& slice) {
      copy_bytes(exchange_.of(member), x_ + slice.begin, slice.count());
    });
  }

  Exchange& exchange_;
  const Call& call_;
  std::byte* x_;
  std::int64_t step_;
};

void all_reduce(Exchange& exchange, const Call& call) {
  if (is_small(call)) {
    rendezvous_with_tensor(exchange, call);
    reduce_small(exchange, call, bytes_of(call.in), {0, call.in.bytes()});
    return;
  }
  rendezvous(exchange, call, 0);
  if (exchange.size() > 1) {
    LargeAllReduce(exchange, call).run();
  }
}

/// A member receives its elements of one piece from all others and reduces them into its part.
void reduce_scatter_large(Exchange& exchange, const Call& call) {
  const std::int64_t part = call.out.bytes();
  const std::byte* x = bytes_of(call.in);
  for (std::int64_t index = 0; index < pieces_of(part, exchange.lane()); ++index) {
    const Range piece = piece_at(part, exchange.lane(), index);
    const auto source = [&](int member) { return x + part * member + piece.begin; };
    for (int member = 0; member < exchange.size(); ++member) {
      if (member != exchange.rank()) {
        copy_bytes(source(member), exchange.to_one(member), piece.count());
      }
    }
    exchange.round({.for_one = piece.count()});
    combine_members(exchange, call, piece.count(), bytes_of(call.out) + piece.begin,
                    [&](int member) {
                      return member == exchange.rank() ? source(member) : exchange.from(member);
                    });
  }
}

void reduce_scatter(Exchange& exchange, const Call& call) {
  if (is_small(call)) {
    rendezvous_with_tensor(exchange, call);
    const std::int64_t part = call.out.bytes();
    reduce_small(exchange, call, bytes_of(call.out),
                 {part * exchange.rank(), part * (exchange.rank() + 1)});
    return;
  }
  rendezvous(exchange, call, 0);
  reduce_scatter_large(exchange, call);
}

/// Sends bytes of some members to all, piece by piece; the first piece travels with the call
/// signature. `source`: this member's bytes, nullptr if it only receives. take(piece, offset) reads
/// the published piece, which begins at `offset`.
void exchange_pieces(Exchange& exchange, const Call& call, const std::byte* source,
                     const std::function<void(const Range&, std::int64_t)>& take) {
  const std::int64_t bytes = call.in.empty() ? 0 : call.in.bytes();
  const std::int64_t step = exchange.capacity() - kCallSignatureBytes;
  for (std::int64_t index = 0; index == 0 || index < pieces_of(bytes, step); ++index) {
    const Range piece = piece_at(bytes, step, index);
    const std::int64_t mine = source == nullptr ? 0 : piece.count();
    if (mine > 0) {
      copy_bytes(source + piece.begin, exchange.to_all() + kCallSignatureBytes, mine);
    }
    if (index == 0) {
      rendezvous(exchange, call, mine);
    } else {
      exchange.round({.for_all = kCallSignatureBytes + mine});
    }
    take(piece, kCallSignatureBytes);
  }
}

void all_gather(Exchange& exchange, const Call& call) {
  const std::byte* mine = call.in.empty() ? nullptr : bytes_of(call.in);
  exchange_pieces(exchange, call, mine, [&](const Range& piece, std::int64_t offset) {
    for (int member = 0; member < exchange.size(); ++member) {
      const std::byte* from =
          member == exchange.rank() ? mine + piece.begin : exchange.of(member) + offset;
      copy_bytes(from, bytes_of(call.out) + call.in.bytes() * member + piece.begin, piece.count());
    }
  });
}

void broadcast(Exchange& exchange, const Call& call) {
  const bool root = call.peer == exchange.rank();
  const std::byte* source = root && !call.in.empty() ? bytes_of(call.in) : nullptr;
  exchange_pieces(exchange, call, source, [&](const Range& piece, std::int64_t offset) {
    if (!root) {
      copy_bytes(exchange.of(call.peer) + offset, bytes_of(call.in) + piece.begin, piece.count());
    }
  });
}

}  // namespace

void perform(Exchange& exchange, const Call& call) {
  switch (call.operation) {
    case Operation::all_reduce:
      return all_reduce(exchange, call);
    case Operation::reduce_scatter:
      return reduce_scatter(exchange, call);
    case Operation::all_gather:
      return all_gather(exchange, call);
    case Operation::broadcast:
      return broadcast(exchange, call);
    case Operation::barrier:
      return rendezvous(exchange, call, 0);
    default:
      throw Error("mpi::perform", "this operation is not a collective");
  }
}

void perform_pair(Exchange& exchange, const Call& call) {
  const std::unique_ptr<Exchange> pair = exchange.pair(call.peer);
  const int low = std::min(exchange.rank(), call.peer);
  const std::vector<int> ranks{low, std::max(exchange.rank(), call.peer)};
  const bool sends = call.operation == Operation::send;
  const std::int64_t step = pair->capacity() - kCallSignatureBytes;
  const std::int64_t bytes = call.in.bytes();
  for (std::int64_t index = 0; index == 0 || index < pieces_of(bytes, step); ++index) {
    const Range piece = piece_at(bytes, step, index);
    const std::int64_t mine = sends ? piece.count() : 0;
    copy_bytes(bytes_of(call.in) + piece.begin, pair->to_all() + kCallSignatureBytes, mine);
    if (index == 0) {
      rendezvous_pair(*pair, call, ranks, mine);
    } else {
      pair->round({.for_all = kCallSignatureBytes + mine});
    }
    if (!sends) {
      copy_bytes(pair->of(1 - pair->rank()) + kCallSignatureBytes, bytes_of(call.in) + piece.begin,
                 piece.count());
    }
  }
  pair->round({});
}

}  // namespace stagecraft::mpi
