// Actors of the protocol's three kinds that only record what they receive.
#pragma once

#include <caf/all.hpp>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "actors/protocol/messages.h"
#include "tests/actors/protocol/sample_messages.h"

namespace stagecraft::test {

/// A step of DriverPlay, whose loss counts 8 tokens.
inline PassRange step_of_8(std::int64_t step) {
  return {.kind = PassKind::train, .step = step, .counts = {8}};
}
inline RunPasses train(std::int64_t step) { return {{step_of_8(step)}}; }
inline RunPasses evaluate(std::int64_t step, std::int64_t first, std::int64_t batches) {
  return {{{PassKind::evaluate, step, batches, first}}};
}

/// What actors have recorded, for the test's thread.
template <class Item>
class Notes {
 public:
  void add(Item item) {
    const std::lock_guard lock(mutex_);
    items_.push_back(std::move(item));
    changed_.notify_all();
  }
  /// The first `count`, or fewer if they do not come within 30 seconds: long, since it only ends
  /// the wait for one that never comes.
  std::vector<Item> first(std::size_t count) {
    std::unique_lock lock(mutex_);
    changed_.wait_for(lock, std::chrono::seconds(30), [&] { return items_.size() >= count; });
    return {items_.begin(),
            items_.begin() + static_cast<std::ptrdiff_t>(std::min(count, items_.size()))};
  }
  /// Returns the items added since the last call, without waiting.
  std::vector<Item> take() {
    const std::lock_guard lock(mutex_);
    std::vector<Item> all(items_.begin(), items_.end());
    items_.clear();
    return all;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Item> items_;
};

/// All that one process's actors received.
struct Received {
  Notes<std::string> images;
  Notes<std::vector<caf::strong_actor_ptr>> connects;
};
using ReceivedPtr = std::shared_ptr<Received>;

/// Handlers that record each message of `Messages`, and Connect.
template <class Behavior, class... Messages, class... More>
Behavior recording(caf::actor_system& system, const ReceivedPtr& received, MessageList<Messages...>,
                   More... more) {
  return {[&system, received](const Messages& m) { received->images.add(image(system, m)); }...,
          more...};
}

inline auto recording_connect(const ReceivedPtr& received) {
  return [received](ConnectAtom, const std::vector<caf::strong_actor_ptr>& all) {
    received->connects.add(all);
  };
}

using ToStage = MessageList<RunPasses, Envelope, Credit, PassDone, ApplyUpdate, KeepState,
                            StateSaved, WriteModel, Finish>;
using ToDriver =
    MessageList<Ready, PassDone, StateHashed, StateSaved, ModelWritten, StageEnded, RunFailed>;
using ToMonitor = MessageList<StageFailed, BoardRows>;

inline StageActor::behavior_type recording_stage(StageActor::pointer self,
                                                 const ReceivedPtr& received) {
  return recording<StageActor::behavior_type>(
      self->system(), received, ToStage{},
      [received](ConnectAtom, const std::vector<caf::strong_actor_ptr>& column,
                 const caf::strong_actor_ptr&) { received->connects.add(column); },
      [](JoinAtom, const caf::strong_actor_ptr&) {});
}

inline DriverActor::behavior_type recording_driver(DriverActor::pointer self,
                                                   const ReceivedPtr& received) {
  return recording<DriverActor::behavior_type>(
      self->system(), received, ToDriver{}, [](TickAtom) {}, recording_connect(received),
      [](JoinAtom, std::int32_t, const caf::strong_actor_ptr&) {});
}

inline FailureMonitor::behavior_type recording_monitor(FailureMonitor::pointer self,
                                                       const ReceivedPtr& received) {
  caf::actor_system& system = self->system();
  return {[&system, received](const StageFailed& m) { received->images.add(image(system, m)); },
          [&system, received](const RunFailed& m) { received->images.add(image(system, m)); },
          [](JoinAtom, const caf::strong_actor_ptr&) {},
          [](ConnectAtom, const caf::strong_actor_ptr&) {},
          [](TickAtom) {},
          [&system, received](const BoardRows& m) {
            received->images.add(image(system, m));
            return BoardRows{};
          },
          [&system, received](const Finish& m) { received->images.add(image(system, m)); }};
}

}  // namespace stagecraft::test
