#include "launch/run/signals.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "kernels/base/span.h"
#include "launch/run/request_filter.h"

namespace stagecraft {
namespace {

constexpr std::int64_t kTermination_ns = 100'000'000;
constexpr std::int64_t kHangup_ns = 1'000'000'000;

/// When the first signal came, and its number in the lowest byte: one value, since the second may
/// come to another thread at the same time. 0: none so far.
std::atomic<std::int64_t> first_signal{0};
std::atomic<bool> save_signal{false};
std::atomic<bool> saves_on_signal{true};
std::atomic<bool> is_rank{false};
std::atomic<ProgressBoard*> shown_board{nullptr};
std::atomic<ProgressSlot*> shown_slot{nullptr};
static_assert(std::atomic<std::int64_t>::is_always_lock_free &&
                  std::atomic<bool>::is_always_lock_free &&
                  std::atomic<ProgressBoard*>::is_always_lock_free,
              "a signal handler may touch nothing else");

// Handlers do only what POSIX allows in them: lock-free atomics, clock_gettime, poll, write, _exit.

constexpr std::string_view kStopText =
    "\nstopping after this step and its checkpoint; a second signal ends the run at once\n";
constexpr std::string_view kSaveText = "\na checkpoint follows this step, and the run goes on\n";
constexpr std::string_view kNoSaveText =
    "\nnothing is saved, because checkpoint.directory is \"\"; the run goes on\n";

void announce(std::string_view text) {
  // A terminal that was stopped (Ctrl-S) takes nothing; writing to it would block this thread.
  pollfd output{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
  if (::poll(&output, 1, 0) == 1 && (output.revents & POLLOUT) != 0) {
    const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    static_cast<void>(written);
  }
}

void show_stop() {
  if (ProgressBoard* board = shown_board.load()) {
    board->request_stop();
  }
}

void show_save() {
  if (ProgressBoard* board = shown_board.load()) {
    board->request_save();
  }
}

[[noreturn]] void dismiss(int number) {
  if (ProgressSlot* slot = shown_slot.load()) {
    slot->set(Activity::dismissed);
  }
  ::_exit(128 + number);
}

std::int64_t signal_now(int number) { return (now_ns() & ~std::int64_t{0xFF}) | number; }

/// Whether the signal belongs to the first one.
bool is_same_request(int number, std::int64_t first) {
  const std::int64_t age_ns = now_ns() - first;
  return (number == SIGTERM && (first & 0xFF) == SIGTERM && age_ns < kTermination_ns) ||
         (number == SIGHUP && age_ns < kHangup_ns) || (is_rank.load() && age_ns < kSameRequest_ns);
}

void on_signal(int number, siginfo_t* info, void* /*context*/) {
  if (number == SIGTERM && is_rank.load() && info->si_pid == ::getppid()) {
    dismiss(number);
  }
  std::int64_t first = 0;
  if (!first_signal.compare_exchange_strong(first, signal_now(number))) {
    if (!is_same_request(number, first)) {
      ::_exit(128 + number);
    }
    return;
  }
  const int saved_errno = errno;
  show_stop();
  announce(kStopText);
  errno = saved_errno;
}

void on_save_signal(int /*number*/, siginfo_t* /*info*/, void* /*context*/) {
  const int saved_errno = errno;
  save_signal = true;
  show_save();
  announce(saves_on_signal ? kSaveText : kNoSaveText);
  errno = saved_errno;
}

bool is_ignored(int number) {
  struct sigaction current = {};
  return ::sigaction(number, nullptr, &current) == 0 && current.sa_handler == SIG_IGN;
}

void handle(int number, void (*handler)(int, siginfo_t*, void*)) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_RESTART | SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  ::sigaction(number, &action, nullptr);
}

}  // namespace

void watch_signals() {
  for (const int number : {SIGINT, SIGTERM, SIGUSR1}) {
    handle(number, on_signal);
  }
  if (!is_ignored(SIGHUP)) {
    handle(SIGHUP, on_signal);
  }
  handle(SIGUSR2, on_save_signal);
  std::signal(SIGPIPE, SIG_IGN);
}

void watch_signals_of_rank() {
  is_rank = true;
  watch_signals();
}

void ignore_file_size_signal() { std::signal(SIGXFSZ, SIG_IGN); }

void show_signals_on(ProgressBoard& board, int rank) {
  shown_slot = &board.slot(rank);
  shown_board = &board;
  if (stop_signalled()) {
    show_stop();
  }
  if (take_save_signal()) {
    show_save();
  }
}

void set_saves_on_signal(bool saves) { saves_on_signal = saves; }

bool stop_signalled() { return first_signal.load() != 0; }

bool take_save_signal() { return save_signal.exchange(false); }

}  // namespace stagecraft
