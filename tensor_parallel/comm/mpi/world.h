// State that all groups of one world share: the node of every rank, and the abort.
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

/// Tags of the world's communicator. A group has one tag for bytes published for all members and
/// one for bytes published for one member; messages between two members keep their order.
inline constexpr int kAbortTag = 0;
inline int tag_for_all(int group_number) { return 2 * group_number; }
inline int tag_for_one(int group_number) { return 2 * group_number + 1; }

/// The number of the group of all ranks, and of a group that was made with a tag.
inline constexpr int kWorldNumber = 1;
inline int group_number(int tag) { return kWorldNumber + 1 + tag; }

class World {
 public:
  /// `nodes`: a node number for every rank; ranks with equal numbers share `node`'s window, whose
  /// members are in rank order. The caller owns the communicator, which outlives the world.
  World(std::shared_ptr<Runtime> runtime, MPI_Comm comm, std::vector<int> nodes, Node node);
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  int rank() const { return rank_; }
  int size() const { return static_cast<int>(nodes_.size()); }
  MPI_Comm comm() const { return comm_; }
  Runtime& runtime() const { return *runtime_; }
  bool share_node(std::span<const int> ranks) const;

  /// Ends every wait in this world, on every node. Safe from any thread.
  void abort(std::string_view culprit) noexcept;
  bool aborted() noexcept;
  /// Throws AbortedError once any rank has called abort.
  void check();

  /// Returns when `word`, in a window of this node, differs from `value`. Throws AbortedError.
  void wait_while(const std::atomic<std::uint32_t>& word, std::uint32_t value);
  /// Call it after a change of such a word: wakes the waits of `rank`, which is on this node.
  void wake(int rank) noexcept;

 private:
  bool spans_nodes() const { return node_.members() < size(); }
  void notify_other_nodes(std::string_view culprit);
  void poll_other_nodes() noexcept;

  std::shared_ptr<Runtime> runtime_;
  MPI_Comm comm_;
  std::vector<int> nodes_;
  Node node_;
  int rank_ = 0;
  std::vector<int> node_ranks_;  // index of every rank in this node's window; -1: another node
  int spins_ = 0;
  std::shared_ptr<std::array<char, 192>>
      abort_message_;  // the abort message in flight to other nodes
  std::mutex polling_;
};

}  // namespace stagecraft::mpi
