#include "tensor_parallel/comm/nccl/call_watch.h"

#include <limits>
#include <utility>

namespace stagecraft::nccl {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kPollInterval{100};
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::int64_t nanoseconds(Clock::time_point at) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(at.time_since_epoch()).count();
}

}  // namespace

CallWatch::CallWatch(std::function<void()> end_call)
    : end_call_(std::move(end_call)), deadline_ns_(kNever), thread_([this] { watch(); }) {}

CallWatch::~CallWatch() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

CallWatch::Scope::Scope(CallWatch& watch, std::chrono::duration<double> limit) : watch_(watch) {
  watch_.deadline_ns_ =
      nanoseconds(Clock::now() + std::chrono::duration_cast<Clock::duration>(limit));
}

CallWatch::Scope::~Scope() { watch_.deadline_ns_ = kNever; }

void CallWatch::watch() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kPollInterval, [&] { return leaving_; })) {
    if (nanoseconds(Clock::now()) > deadline_ns_) {
      lock.unlock();
      has_ended_call_ = true;
      end_call_();
      return;
    }
  }
}

}  // namespace stagecraft::nccl
