#include "tensor_parallel/comm/nccl/call_watch.h"

#include <cmath>
#include <limits>
#include <utility>

namespace stagecraft::nccl {
namespace {

constexpr std::chrono::milliseconds kPollInterval{100};
constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

std::int64_t looks_in(std::chrono::duration<double> time) {
  return static_cast<std::int64_t>(std::ceil(time / std::chrono::duration<double>(kPollInterval)));
}

}  // namespace

CallWatch::CallWatch(std::function<void()> end_call)
    : end_call_(std::move(end_call)), looks_left_(kNever), thread_([this] { watch(); }) {}

CallWatch::~CallWatch() {
  {
    const std::lock_guard lock(mutex_);
    leaving_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

CallWatch::Scope::Scope(CallWatch& watch, std::chrono::duration<double> limit) : watch_(watch) {
  watch_.looks_left_ = looks_in(limit);
}

CallWatch::Scope::~Scope() { watch_.looks_left_ = kNever; }

void CallWatch::watch() {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, kPollInterval, [&] { return leaving_; })) {
    if (looks_left_.fetch_sub(1) <= 0) {
      lock.unlock();
      has_ended_call_ = true;
      end_call_();
      return;
    }
  }
}

}  // namespace stagecraft::nccl
