#include "tests/tensor_parallel/comm/nccl/fake_nccl.h"

#include <cuda_runtime_api.h>
#include <nccl.h>

#include <algorithm>
#include <utility>

/// Communicators that share their resources share the flag of an abort.
struct ncclComm {
  // A split child, which appears at the second look at the parent's state.
  ncclComm* child = nullptr;
  ncclComm** child_handle = nullptr;
  int looks = 0;
  bool blocking = true;
  bool shares = false;
  std::shared_ptr<bool> aborted;
  int inside = 0;
  bool freed = false;
};

namespace stagecraft::test {
namespace {

std::unique_ptr<FakeNccl>& slot() {
  static auto fake = std::make_unique<FakeNccl>();
  return fake;
}

ncclComm_t add_communicator(const ncclConfig_t& config, std::shared_ptr<bool> aborted) {
  FakeNccl& fake = fake_nccl();
  auto comm = std::make_unique<ncclComm>();
  comm->blocking = config.blocking != 0;
  comm->shares = config.splitShare == 1;
  comm->aborted = std::move(aborted);
  fake.communicators.push_back(std::move(comm));
  return fake.communicators.back().get();
}

ncclResult_t call(const char* name, ncclComm_t comm) {
  FakeNccl& fake = fake_nccl();
  std::unique_lock lock(fake.mutex);
  fake.calls.emplace_back(name);
  if (comm == nullptr) {
    return ncclInvalidArgument;
  }
  if (!comm->blocking || comm->freed) {
    fake.misuses.push_back(std::string(name) + " on a non-blocking or freed communicator");
  }
  ++comm->inside;
  ++fake.inside;
  fake.changed.notify_all();
  fake.changed.wait(lock, [&] { return !fake.holds || *comm->aborted; });
  --comm->inside;
  --fake.inside;
  return *comm->aborted ? ncclInternalError : ncclSuccess;
}

ncclResult_t free_communicator(const char* name, ncclComm_t comm, bool abort) {
  if (comm == nullptr) {
    return ncclSuccess;
  }
  FakeNccl& fake = fake_nccl();
  const std::lock_guard lock(fake.mutex);
  if (comm->inside > 0 || comm->freed) {
    fake.misuses.push_back(std::string(name) + " of a communicator in use, or of a freed one");
  }
  *comm->aborted = *comm->aborted || abort;
  comm->freed = true;
  if (comm->child != nullptr) {
    comm->child->freed = true;
  }
  fake.changed.notify_all();
  return ncclSuccess;
}

}  // namespace

FakeNccl& fake_nccl() { return *slot(); }
void reset_fake_nccl() { slot() = std::make_unique<FakeNccl>(); }

void FakeNccl::await_call() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return inside > 0; });
}

int FakeNccl::live_communicators() {
  const std::lock_guard lock(mutex);
  return static_cast<int>(std::count_if(communicators.begin(), communicators.end(),
                                        [](const auto& each) { return !each->freed; }));
}

}  // namespace stagecraft::test

using stagecraft::test::fake_nccl;

ncclResult_t ncclCommInitRankConfig(ncclComm_t* comm, int /*size*/, ncclUniqueId /*id*/,
                                    int /*rank*/, ncclConfig_t* config) {
  const std::lock_guard lock(fake_nccl().mutex);
  *comm = stagecraft::test::add_communicator(*config, std::make_shared<bool>(false));
  return ncclInProgress;
}

/// As the library does, returns success while the child is not there yet: the parent's state says
/// when it is.
ncclResult_t ncclCommSplit(ncclComm_t comm, int /*color*/, int /*key*/, ncclComm_t* child,
                           ncclConfig_t* config) {
  const std::lock_guard lock(fake_nccl().mutex);
  *child = nullptr;
  comm->child_handle = child;
  comm->child = stagecraft::test::add_communicator(
      *config, comm->shares ? comm->aborted : std::make_shared<bool>(false));
  return ncclSuccess;
}

ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t* state) {
  const std::lock_guard lock(fake_nccl().mutex);
  const bool splits = comm->child != nullptr;
  *state = fake_nccl().joins && (!splits || comm->looks++ > 0) ? ncclSuccess : ncclInProgress;
  if (splits && *state == ncclSuccess) {
    *std::exchange(comm->child_handle, nullptr) = std::exchange(comm->child, nullptr);
  }
  return ncclSuccess;
}

ncclResult_t ncclCommAbort(ncclComm_t comm) {
  return stagecraft::test::free_communicator("abort", comm, true);
}
ncclResult_t ncclCommFinalize(ncclComm_t /*comm*/) { return ncclSuccess; }
ncclResult_t ncclCommDestroy(ncclComm_t comm) {
  return stagecraft::test::free_communicator("destroy", comm, false);
}

ncclResult_t ncclAllReduce(const void*, void*, std::size_t, ncclDataType_t, ncclRedOp_t,
                           ncclComm_t comm, cudaStream_t) {
  return stagecraft::test::call("all_reduce", comm);
}
ncclResult_t ncclAllGather(const void*, void*, std::size_t, ncclDataType_t, ncclComm_t comm,
                           cudaStream_t) {
  return stagecraft::test::call("all_gather", comm);
}
ncclResult_t ncclReduceScatter(const void*, void*, std::size_t, ncclDataType_t, ncclRedOp_t,
                               ncclComm_t comm, cudaStream_t) {
  return stagecraft::test::call("reduce_scatter", comm);
}
ncclResult_t ncclBroadcast(const void*, void*, std::size_t, ncclDataType_t, int, ncclComm_t comm,
                           cudaStream_t) {
  return stagecraft::test::call("broadcast", comm);
}
ncclResult_t ncclSend(const void*, std::size_t, ncclDataType_t, int, ncclComm_t comm,
                      cudaStream_t) {
  return stagecraft::test::call("send", comm);
}
ncclResult_t ncclRecv(void*, std::size_t, ncclDataType_t, int, ncclComm_t comm, cudaStream_t) {
  return stagecraft::test::call("recv", comm);
}
ncclResult_t ncclGroupStart() { return ncclSuccess; }
ncclResult_t ncclGroupEnd() { return ncclSuccess; }

ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  *id = {};
  return ncclSuccess;
}
ncclResult_t ncclGetVersion(int* version) {
  *version = NCCL_VERSION_CODE;
  return ncclSuccess;
}
const char* ncclGetErrorString(ncclResult_t /*result*/) { return "the fake's error"; }
const char* ncclGetLastError(ncclComm_t /*comm*/) { return "its words"; }

cudaError_t cudaSetDevice(int /*device*/) { return cudaSuccess; }
const char* cudaGetErrorName(cudaError_t /*status*/) { return ""; }
const char* cudaGetErrorString(cudaError_t /*status*/) { return ""; }
