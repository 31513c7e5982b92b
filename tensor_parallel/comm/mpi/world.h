// What all groups split from one world share: who sits on which node, and the world's end.
#pragma once

#include <mpi.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "tensor_parallel/comm/mpi/node.h"
#include "tensor_parallel/comm/mpi/runtime.h"

namespace stagecraft::mpi {

/// Tags of the world's communicator. A group has one tag for what its members lay out for all and
/// one for what they lay out for one; messages between two members keep their order.
inline constexpr int kAbortTag = 0;
inline constexpr int kFirstGroup = 1;

class World {
 public:
  /// `nodes`: of every rank, equal for ranks that share `node`'s window, in which they are numbered
  /// by rank. The communicator stays the caller's and lives longer.
  World(std::shared_ptr<Runtime> runtime, MPI_Comm comm, std::vector<int> nodes, Node node);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(nodes_.size()); }
  MPI_Comm comm() const { return comm_; }
  Runtime& runtime() const { return *runtime_; }
  bool share_node(std::span<const int> ranks) const;

  /// Ends every wait of the world, on every node. Safe from any thread.
  void abort(std::string_view culprit) noexcept;
  bool aborted() noexcept;
  /// Throws AbortedError once somebody has called abort.
  void check();

  /// Returns when `word`, in a window of this node, differs from `value`; throws AbortedError.
  void wait_while(const std::atomic<std::uint32_t>& word, std::uint32_t value);
  /// After a change of such a word: wakes what `rank`, of this node, waits for.
  void wake(int rank) noexcept;

  /// The smallest number that no group of this process has yet; every member of a group proposes
  /// its own, the largest wins, and all take it up, so that no two processes share two groups of
  /// one number.
  int next_group() const { return next_group_; }
  void take_groups_up_to(int next) { next_group_ = next; }

 private:
  bool spans_nodes() const { return node_.members() < size(); }
  void tell_other_nodes(std::string_view culprit);
  void hear_other_nodes() noexcept;

  std::shared_ptr<Runtime> runtime_;
  MPI_Comm comm_;
  std::vector<int> nodes_;
  Node node_;
  int rank_ = 0;
  std::vector<int> node_ranks_;  // of every rank of this node, in its window; -1 elsewhere
  int spins_ = 0;
  int next_group_ = kFirstGroup;
  std::shared_ptr<std::array<char, 192>> news_;  // what is on its way to other nodes
  std::mutex hearing_;
};

}  // namespace stagecraft::mpi
