// What all groups of one process's GPU share: where links come from, and the world's end.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "tensor_parallel/comm/nccl/link.h"

namespace stagecraft::nccl {

/// NCCL knows nothing of other members' troubles: its kernels wait for them for ever. So a thread
/// watches the members' world on the host, and when that is aborted ends all links of this process.
class World {
 public:
  /// `watched`: a group of the world on the host, for its abort and check alone.
  World(Library library, Device device, std::unique_ptr<Communicator> watched);
  /// All links are gone.
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Device device() const { return device_; }

  /// Collective over `host`, whose members each bring their world. `most_blocks`: LinkSetup.
  std::shared_ptr<Link> connect(Communicator& host, int most_blocks);

  /// Throws AbortedError once the world is over.
  void check() { watched_->check(); }
  /// From any thread.
  void abort(std::string_view culprit) noexcept;

 private:
  std::string shared_id(Communicator& host);
  bool is_over() noexcept;
  void watch();
  void abort_links() noexcept;

  Library library_;
  Device device_;
  std::unique_ptr<Communicator> watched_;
  std::unique_ptr<Stream> host_stream_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool leaving_ = false;
  std::vector<std::weak_ptr<Link>> links_;
  std::thread watcher_;  // last: it starts when all above is there
};

}  // namespace stagecraft::nccl
