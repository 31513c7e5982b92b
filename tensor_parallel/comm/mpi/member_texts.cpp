#include "tensor_parallel/comm/mpi/member_texts.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <thread>

#include "tensor_parallel/sharding/rank_tree.h"

namespace stagecraft::mpi {
namespace {

/// Returns when `done` is true, or throws AbortedError. The pauses grow, because a member may be a
/// second late and the processes may share few cores.
template <typename F>
void await(World& world, F&& done) {
  constexpr std::chrono::microseconds kLongest{1000};
  for (std::chrono::microseconds pause{10}; !done(); pause = std::min(2 * pause, kLongest)) {
    world.check();
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace

MemberTexts::MemberTexts(World& world, const std::vector<int>& members, int tag)
    : world_(world),
      members_(members),
      rank_(static_cast<int>(std::find(members.begin(), members.end(), world.rank()) -
                             members.begin())),
      tag_(tag) {}

std::string MemberTexts::spread(const std::string& of_first) {
  std::string text = rank_ == 0 ? of_first : receive(tree_parent(rank_));
  std::vector<int> children = tree_children(rank_, static_cast<int>(members_.size()));
  std::reverse(children.begin(), children.end());  // the deepest subtree first
  for (const int child : children) {
    send(child, text);
  }
  return text;
}

std::string MemberTexts::first_of(const std::string& mine) {
  std::string first = mine;
  for (const int child : tree_children(rank_, static_cast<int>(members_.size()))) {
    const std::string theirs = receive(child);
    first = first.empty() ? theirs : first;
  }
  if (rank_ > 0) {
    send(tree_parent(rank_), first);
  }
  return spread(first);
}

/// After an abort the runtime keeps the text, which MPI may still access.
void MemberTexts::send(int member, const std::string& text) {
  const auto kept = std::make_shared<std::string>(text);
  MPI_Request request = MPI_REQUEST_NULL;
  check_mpi(MPI_Isend(kept->data(), static_cast<int>(kept->size()), MPI_CHAR,
                      members_[static_cast<std::size_t>(member)], tag_, world_.comm(), &request),
            "MPI_Isend");
  try {
    await(world_, [&] {
      int sent = 0;
      check_mpi(MPI_Test(&request, &sent, MPI_STATUS_IGNORE), "MPI_Test");
      return sent != 0;
    });
  } catch (...) {
    world_.runtime().keep(kept);
    if (request != MPI_REQUEST_NULL) {
      MPI_Request_free(&request);
    }
    throw;
  }
  // NOLINTNEXTLINE(clang-analyzer-optin.mpi.MPI-Checker): await() tests until it is sent
}

std::string MemberTexts::receive(int member) {
  const int from = members_[static_cast<std::size_t>(member)];
  MPI_Status status;
  await(world_, [&] {
    int there = 0;
    check_mpi(MPI_Iprobe(from, tag_, world_.comm(), &there, &status), "MPI_Iprobe");
    return there != 0;
  });
  int bytes = 0;
  check_mpi(MPI_Get_count(&status, MPI_CHAR, &bytes), "MPI_Get_count");
  std::string text(static_cast<std::size_t>(bytes), '\0');
  check_mpi(MPI_Recv(text.data(), bytes, MPI_CHAR, from, tag_, world_.comm(), MPI_STATUS_IGNORE),
            "MPI_Recv");
  return text;
}

}  // namespace stagecraft::mpi
