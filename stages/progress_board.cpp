#include "stages/progress_board.h"

#include <fmt/core.h>

#include <array>
#include <new>

#include "kernels/base/error.h"
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
  constexpr std::array<std::string_view, 10> kNames = {
      "starting",  "beginning", "running", "communicating", "waiting",
      "reporting", "idle",      "writing", "ended",         "failed"};
  return kNames.at(static_cast<std::size_t>(activity));
}

void ProgressSlot::set(Activity activity, std::int64_t step, const Instruction& instruction) {
  step_.store(step, std::memory_order_relaxed);
  instruction_.store(packed(instruction), std::memory_order_relaxed);
  set(activity);
}

void ProgressSlot::set(Activity activity) {
  since_ns_.store(now_ns(), std::memory_order_relaxed);
  activity_.store(static_cast<std::uint8_t>(activity), std::memory_order_release);
}

ProgressSlot::View ProgressSlot::view() const {
  View view;
  view.activity = static_cast<Activity>(activity_.load(std::memory_order_acquire));
  view.step = step_.load(std::memory_order_relaxed);
  view.instruction = unpacked(instruction_.load(std::memory_order_relaxed));
  view.since_ns = since_ns_.load(std::memory_order_relaxed);
  return view;
}

std::string place_text(const ProgressSlot::View& view) {
  switch (view.activity) {
    case Activity::starting:
      return "making its parameters";
    case Activity::beginning:
      return fmt::format("beginning step {}", view.step);
    case Activity::reporting:
      return fmt::format("step {}, adding up losses and gradient norm", view.step);
    case Activity::idle:
      return fmt::format("step {}, between programs", view.step);
    case Activity::writing:
      return "writing its part of the model";
    case Activity::ended:
      return "at its end";
    default:
      return fmt::format("step {}, instruction {}", view.step, to_string(view.instruction));
  }
}

bool works(Activity activity) {
  return activity == Activity::starting || activity == Activity::beginning ||
         activity == Activity::running || activity == Activity::reporting ||
         activity == Activity::writing;
}

ProgressBoard::ProgressBoard(int ranks, const std::filesystem::path& path) : ranks_(ranks) {
  if (path.empty()) {
    memory_ = std::make_unique<ProgressSlot[]>(static_cast<std::size_t>(ranks));
    slots_ = memory_.get();
    return;
  }
  file_.emplace(MappedFile::create(path, static_cast<std::int64_t>(sizeof(ProgressSlot)) * ranks));
  slots_ = reinterpret_cast<ProgressSlot*>(file_->bytes().data());
  for (int rank = 0; rank < ranks; ++rank) {
    new (slots_ + rank) ProgressSlot();
  }
}

ProgressSlot& ProgressBoard::slot(int rank) {
  require(rank >= 0 && rank < ranks_, "ProgressBoard", "there is no rank {} among {}", rank,
          ranks_);
  return slots_[rank];
}

}  // namespace stagecraft
