#include "launch/run/signals.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>

namespace stagecraft {
namespace {

std::atomic<int> signals_seen{0};
static_assert(std::atomic<int>::is_always_lock_free, "a signal handler may touch nothing else");

/// Only what POSIX allows in a handler: lock-free atomics, poll, write, _exit.
void on_signal(int number) {
  if (signals_seen.fetch_add(1) > 0) {
    ::_exit(128 + number);
  }
  const int saved_errno = errno;
  constexpr char kText[] = "\nstopping after this step; a second signal ends the run at once\n";
  // A terminal that was stopped (Ctrl-S) takes nothing; writing to it would block this thread.
  pollfd output{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (::poll(&output, 1, 0) == 1 && (output.revents & POLLOUT) != 0) {
    const auto written = ::write(STDERR_FILENO, kText, sizeof(kText) - 1);
    static_cast<void>(written);
  }
  errno = saved_errno;
}

std::atomic<ProgressSlot*> dismissed_slot{nullptr};

void on_termination(int number) {
  if (ProgressSlot* slot = dismissed_slot.load()) {
    slot->set(Activity::dismissed);
  }
  ::_exit(128 + number);
}

void handle(int number, void (*handler)(int)) {
  struct sigaction action = {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  sigaction(number, &action, nullptr);
}

}  // namespace

void watch_stop_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGUSR1}) {
    handle(number, on_signal);
  }
}

void end_on_termination(ProgressSlot* slot) {
  dismissed_slot = slot;
  handle(SIGTERM, on_termination);
}

bool stop_signalled() { return signals_seen.load() > 0; }

}  // namespace stagecraft
