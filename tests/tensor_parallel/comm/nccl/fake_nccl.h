// Stands in for libnccl and the one call of CUDA beside it, so that NcclLink is tested without a
// GPU.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

struct ncclComm;

namespace stagecraft::test {

/// What the library does, which a test sets, and what was asked of it.
struct FakeNccl {
  std::mutex mutex;
  std::condition_variable changed;
  bool joins = true;   // false: the other members never join
  bool holds = false;  // a call waits for the others, for ever unless its communicator is aborted
  int inside = 0;      // threads in a call
  std::vector<std::string> calls;
  std::vector<std::string> misuses;
  std::vector<std::unique_ptr<ncclComm>> communicators;  // freed ones included

  void await_call();
  int live_communicators();
};

FakeNccl& fake_nccl();
/// To be called where no communicator lives.
void reset_fake_nccl();

}  // namespace stagecraft::test
