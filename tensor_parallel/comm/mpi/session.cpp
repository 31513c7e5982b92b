#include "tensor_parallel/comm/mpi/session.h"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include "kernels/base/error.h"
#include "tensor_parallel/comm/mpi/group.h"
#include "tensor_parallel/comm/mpi/mpi_transport.h"
#include "tensor_parallel/comm/mpi/process_communicator.h"
#include "tensor_parallel/comm/mpi/sessions.h"

namespace stagecraft {
namespace mpi {
namespace {

std::vector<int> gather_numbers(MPI_Comm comm, int mine) {
  int size = 0;
  MPI_Comm_size(comm, &size);
  std::vector<int> all(static_cast<std::size_t>(size));
  check_mpi(MPI_Allgather(&mine, 1, MPI_INT, all.data(), 1, MPI_INT, comm), "MPI_Allgather");
  return all;
}

std::vector<std::string> gather_texts(MPI_Comm comm, const std::string& mine) {
  const std::vector<int> counts = gather_numbers(comm, static_cast<int>(mine.size()));
  std::vector<int> begins(counts.size());
  std::exclusive_scan(counts.begin(), counts.end(), begins.begin(), 0);
  std::string joined(static_cast<std::size_t>(begins.back() + counts.back()), '\0');
  if (!joined.empty()) {
    check_mpi(MPI_Allgatherv(mine.data(), static_cast<int>(mine.size()), MPI_CHAR, joined.data(),
                             counts.data(), begins.data(), MPI_CHAR, comm),
              "MPI_Allgatherv");
  }
  std::vector<std::string> texts;
  for (std::size_t rank = 0; rank < counts.size(); ++rank) {
    texts.push_back(joined.substr(static_cast<std::size_t>(begins[rank]),
                                  static_cast<std::size_t>(counts[rank])));
  }
  return texts;
}

/// A duplicate of `comm` that returns errors instead of aborting the process.
MPI_Comm duplicate(MPI_Comm comm) {
  MPI_Comm copy = MPI_COMM_NULL;
  check_mpi(MPI_Comm_dup(comm, &copy), "MPI_Comm_dup");
  MPI_Comm_set_errhandler(copy, MPI_ERRORS_RETURN);
  return copy;
}

/// The lowest rank of this process's node, as MPI sees it.
int node_by_mpi(MPI_Comm comm) {
  int rank = 0;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm node = MPI_COMM_NULL;
  check_mpi(MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &node),
            "MPI_Comm_split_type");
  int lowest = rank;
  check_mpi(MPI_Bcast(&lowest, 1, MPI_INT, 0, node), "MPI_Bcast");
  MPI_Comm_free(&node);
  return lowest;
}

class Session : public MpiSession {
 public:
  Session(std::shared_ptr<Runtime> runtime, std::optional<int> node)
      : runtime_(std::move(runtime)),
        comm_(duplicate(MPI_COMM_WORLD)),
        p2p_comm_(duplicate(MPI_COMM_WORLD)) {
    MPI_Comm_rank(comm_, &rank_);
    nodes_ = gather_numbers(comm_, node.has_value() ? *node : node_by_mpi(comm_));
    world_ = std::make_shared<World>(runtime_, comm_, nodes_, open_node());
    p2p_ = std::make_unique<MpiTransport>(world_, p2p_comm_);
  }

  /// After an abort messages may still be in flight, so the communicators are not freed.
  ~Session() override {
    const bool over = world_->aborted();
    p2p_.reset();
    world_.reset();
    if (!over) {
      MPI_Comm_free(&p2p_comm_);
      MPI_Comm_free(&comm_);
    }
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(nodes_.size()); }
  bool shares_windows_with(int rank) const override {
    return nodes_.at(static_cast<std::size_t>(rank)) == nodes_[static_cast<std::size_t>(rank_)];
  }
  std::vector<std::string> exchange(const std::string& mine) override {
    return gather_texts(comm_, mine);
  }
  P2pTransport& p2p() override { return *p2p_; }

  std::unique_ptr<Communicator> world() override {
    std::vector<int> everyone(nodes_.size());
    std::iota(everyone.begin(), everyone.end(), 0);
    auto exchange_of_all = make_exchange(world_, everyone, kWorldNumber);
    MPI_Barrier(comm_);  // an early rank's abort must not end the wait of one that has no world yet
    return make_process_communicator(world_, std::move(everyone), std::move(exchange_of_all));
  }

 private:
  /// The lowest rank of a node creates the node's window and keeps it while the others open it.
  Node open_node() {
    const int own = nodes_[static_cast<std::size_t>(rank_)];
    const auto lowest = std::find(nodes_.begin(), nodes_.end(), own) - nodes_.begin();
    const int members = static_cast<int>(std::count(nodes_.begin(), nodes_.end(), own));
    std::optional<SharedWindow> window;
    if (lowest == rank_) {
      window.emplace(SharedWindow::create(Node::bytes(members)));
    }
    const auto keys = Session::exchange(window.has_value() ? window->key() : std::string());
    if (!window.has_value()) {
      window.emplace(SharedWindow::open(keys.at(static_cast<std::size_t>(lowest))));
    }
    MPI_Barrier(comm_);
    return {std::move(*window), members};
  }

  std::shared_ptr<Runtime> runtime_;
  MPI_Comm comm_;
  MPI_Comm p2p_comm_;
  int rank_ = 0;
  std::vector<int> nodes_;  // of every rank
  std::shared_ptr<World> world_;
  std::unique_ptr<MpiTransport> p2p_;
};

}  // namespace

std::unique_ptr<MpiSession> make_session(std::shared_ptr<Runtime> runtime,
                                         std::optional<int> node) {
  return std::make_unique<Session>(std::move(runtime), node);
}

}  // namespace mpi

bool mpi_is_built() { return true; }

std::string mpi_version() {
  std::array<char, MPI_MAX_LIBRARY_VERSION_STRING> text{};
  int length = 0;
  MPI_Get_library_version(text.data(), &length);  // allowed before MPI_Init
  return {text.data(), static_cast<std::size_t>(length)};
}

std::unique_ptr<MpiSession> start_mpi(const MpiOptions& options) {
  auto runtime = std::make_shared<mpi::Runtime>();
  std::optional<int> node;
  if (!options.shared_windows) {
    node.emplace();
    MPI_Comm_rank(MPI_COMM_WORLD, &*node);
  }
  return mpi::make_session(std::move(runtime), node);
}

}  // namespace stagecraft
