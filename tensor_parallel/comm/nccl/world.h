// State that all NCCL groups of one process share: the library that creates links, and the abort.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include "tensor_parallel/comm/nccl/link.h"

namespace stagecraft::nccl {

/// NCCL does not notice the failure of another member: its kernels wait forever. So a thread polls
/// the world on the host and, after an abort there, aborts all links of this process.
class World {
 public:
  /// `watched`: a host communicator of the world, used only for its abort and check.
  World(Library library, Device device, std::unique_ptr<Communicator> watched);
  /// REQUIRES: all links are destroyed.
  ~World();
  World(const World&) = delete;
  World& operator=(const World&) = delete;

  Device device() const { return device_; }

  /// Collective over `host`: every member calls it on its own World. `most_blocks`: see LinkSetup.
  std::shared_ptr<Link> connect(Communicator& host, int most_blocks);

  /// Throws AbortedError once the world is aborted.
  void check() { watched_->check(); }
  /// Safe from any thread.
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
  std::thread watcher_;  // last: it starts when all other members are initialised
};

}  // namespace stagecraft::nccl
