#include "stages/board/progress_slot.h"

#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "kernels/base/span.h"

namespace stagecraft {
namespace {

std::uint64_t packed(const Instruction& i) {
  return (static_cast<std::uint64_t>(i.op) << 56) | (static_cast<std::uint64_t>(i.chunk) << 32) |
         static_cast<std::uint32_t>(i.microbatch);
}

Instruction unpacked(std::uint64_t bits) {
  return {.op = static_cast<Op>(bits >> 56),
          .chunk = static_cast<int>((bits >> 32) & 0xFFFFFF),
          .microbatch = static_cast<int>(bits & 0xFFFFFFFF)};
}

}  // namespace

std::string_view to_string(Activity activity) {
  constexpr std::array<std::string_view, kActivities> kNames = {
      "starting", "beginning", "running", "communicating", "waiting",   "reporting", "idle",
      "writing",  "leaving",   "ended",   "failed",        "dismissed", "deciding",  "observing",
      "joining",  "parting",   "closing", "tracing",       "saving"};
  return kNames.at(static_cast<std::size_t>(activity));
}

std::int64_t wall_clock_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string host_name() {
  std::array<char, 64> name{};
  ::gethostname(name.data(), name.size() - 1);  // a longer name is cut
  return name.data();
}

void ProgressSlot::enter() { enter(::getpid(), host_name()); }

void ProgressSlot::enter(int process, std::string_view host) {
  entered_wall_ns_ = wall_clock_ns();
  entered_steady_ns_ = now_ns();
  host_.fill('\0');
  std::copy_n(host.begin(), std::min(host.size(), host_.size() - 1), host_.begin());
  since_ns_.store(entered_steady_ns_, std::memory_order_relaxed);
  process_.store(process, std::memory_order_release);
}

void ProgressSlot::beat() { heartbeat_ns_.store(now_ns(), std::memory_order_relaxed); }

void ProgressSlot::set(Activity activity, std::int64_t step, const Instruction& instruction) {
  step_.store(step, std::memory_order_relaxed);
  instruction_.store(packed(instruction), std::memory_order_relaxed);
  set(activity);
}

void ProgressSlot::advance() { since_ns_.store(now_ns(), std::memory_order_relaxed); }

void ProgressSlot::set(Activity activity) {
  advance();
  activity_.store(static_cast<std::uint8_t>(activity), std::memory_order_release);
}

void ProgressSlot::set_batch(std::int64_t batch) { batch_.store(batch, std::memory_order_relaxed); }

RowCopy ProgressSlot::copy(std::int64_t now_ns) const {
  const View view = this->view();
  return {.activity = static_cast<std::uint8_t>(view.activity),
          .step = view.step,
          .batch = view.batch,
          .instruction = packed(view.instruction),
          .unchanged_ns = now_ns - view.since_ns,
          .silent_ns = view.heartbeat_ns == 0 ? -1 : now_ns - view.heartbeat_ns};
}

void ProgressSlot::take(const RowCopy& copy, std::int64_t now_ns) {
  step_.store(copy.step, std::memory_order_relaxed);
  batch_.store(copy.batch, std::memory_order_relaxed);
  instruction_.store(copy.instruction, std::memory_order_relaxed);
  since_ns_.store(now_ns - copy.unchanged_ns, std::memory_order_relaxed);
  heartbeat_ns_.store(copy.silent_ns < 0 ? 0 : now_ns - copy.silent_ns, std::memory_order_relaxed);
  activity_.store(copy.activity, std::memory_order_release);
}

void ProgressSlot::stop_beating() { heartbeat_ns_.store(0, std::memory_order_relaxed); }

ProgressSlot::View ProgressSlot::view() const {
  View view;
  view.activity = static_cast<Activity>(activity_.load(std::memory_order_acquire));
  view.step = step_.load(std::memory_order_relaxed);
  view.batch = batch_.load(std::memory_order_relaxed);
  view.instruction = unpacked(instruction_.load(std::memory_order_relaxed));
  view.since_ns = since_ns_.load(std::memory_order_relaxed);
  view.heartbeat_ns = heartbeat_ns_.load(std::memory_order_relaxed);
  view.process = process_.load(std::memory_order_acquire);
  return view;
}

std::string ProgressSlot::host() const {
  const bool entered = process_.load(std::memory_order_acquire) != 0;
  return entered ? std::string(host_.begin(), std::find(host_.begin(), host_.end(), '\0')) : "";
}

std::int64_t ProgressSlot::wall_ns(std::int64_t steady_ns) const {
  return entered_wall_ns_ + (steady_ns - entered_steady_ns_);
}

std::string location_text(const ProgressSlot::View& view) {
  const std::string step = view.batch < 0 ? fmt::format("step {}", view.step)
                                          : fmt::format("batch {} of the evaluation after step {}",
                                                        view.batch, view.step);
  switch (view.activity) {
    case Activity::starting:
      return "making its parameters";
    case Activity::beginning:
      return fmt::format("beginning step {}", view.step);
    case Activity::reporting:
      return fmt::format("{}, adding up losses and gradient norm", step);
    case Activity::idle:
      return fmt::format("step {}, between programs", view.step);
    case Activity::writing:
      return "writing its part of the model";
    case Activity::saving:
      return "writing its part of a checkpoint";
    case Activity::tracing:
      return fmt::format("step {}, writing its trace", view.step);
    case Activity::leaving:
      return "ending its part of the run";
    case Activity::joining:
      return "connecting to the other ranks";
    case Activity::parting:
      return "waiting for the other ranks to end";
    case Activity::closing:
      return "ending MPI with the other ranks";
    case Activity::ended:
      return "at its end";
    default:
      return fmt::format("{}, instruction {}", step, to_string(view.instruction));
  }
}

std::string driver_text(const ProgressSlot::View& view) {
  const std::string step = fmt::format("driver, step {}", view.step);
  switch (view.activity) {
    case Activity::starting:
      return "driver, waits for the ranks to start";
    case Activity::deciding:
      return step + ", adding up results";
    case Activity::observing:
      return step + ", in an observer of the run (metrics, terminal)";
    case Activity::writing:
      return "driver, giving the model's files their names";
    case Activity::leaving:
      return "driver, waits for the ranks to end";
    case Activity::ended:
    case Activity::failed:
      return "driver, at its end";
    default:
      return step + ", waits for the ranks";
  }
}

bool works(Activity activity) {
  return activity == Activity::starting || activity == Activity::beginning ||
         activity == Activity::running || activity == Activity::reporting ||
         activity == Activity::writing || activity == Activity::leaving ||
         activity == Activity::tracing || activity == Activity::saving;
}

bool driver_works(Activity activity) {
  return activity == Activity::deciding || activity == Activity::observing ||
         activity == Activity::writing;
}

bool waits_for_others(Activity activity) {
  return waits_in_program(activity) || activity == Activity::joining ||
         activity == Activity::parting || activity == Activity::closing;
}

bool waits_in_program(Activity activity) {
  return activity == Activity::waiting || activity == Activity::communicating;
}

}  // namespace stagecraft
