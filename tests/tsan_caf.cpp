// What the thread sanitizer has to be told of CAF, whose library is built without it: which of an
// actor's events come before which. Members of CAF's classes that are defined here go before the
// library's, tell, and call these. Without it either every message would be reported as a race, or
// none between two actors could be.
#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <caf/blocking_actor.hpp>
#include <caf/ref_counted.hpp>
#include <caf/scheduled_actor.hpp>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace caf {
namespace {

/// The library's function of this mangled name.
template <typename Function>
Function* in_library(const char* name) {
  void* const found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) {
    std::fprintf(stderr, "tsan_caf.cpp: this version of CAF has no %s\n", name);
    std::abort();
  }
  return reinterpret_cast<Function*>(found);
}

void release_reference(void* counted) {
  __tsan_release(counted);
  __tsan_acquire(counted);
}

}  // namespace

// What the sender did before comes before what the receiver does with the message.
void scheduled_actor::enqueue(mailbox_element_ptr message, execution_unit* on) {
  static auto* const next =
      in_library<void(scheduled_actor*, mailbox_element_ptr, execution_unit*)>(
          "_ZN3caf15scheduled_actor7enqueueE"
          "St10unique_ptrINS_15mailbox_elementENS_6detail8disposerEEPNS_14execution_unitE");
  __tsan_release(this);
  next(this, std::move(message), on);
}

void scheduled_actor::launch(execution_unit* on, bool lazy, bool hide) {
  static auto* const next = in_library<void(scheduled_actor*, execution_unit*, bool, bool)>(
      "_ZN3caf15scheduled_actor6launchEPNS_14execution_unitEbb");
  __tsan_release(this);
  next(this, on, lazy, hide);
}

bool scheduled_actor::activate(execution_unit* on) {
  static auto* const next = in_library<bool(scheduled_actor*, execution_unit*)>(
      "_ZN3caf15scheduled_actor8activateEPNS_14execution_unitE");
  __tsan_acquire(this);
  const bool active = next(this, on);
  __tsan_release(this);  // another thread may go on with the actor
  return active;
}

scheduled_actor::activation_result scheduled_actor::reactivate(mailbox_element& message) {
  static auto* const next = in_library<activation_result(scheduled_actor*, mailbox_element&)>(
      "_ZN3caf15scheduled_actor10reactivateERNS_15mailbox_elementE");
  __tsan_acquire(this);
  const activation_result result = next(this, message);
  __tsan_release(this);
  return result;
}

void blocking_actor::enqueue(mailbox_element_ptr message, execution_unit* on) {
  static auto* const next = in_library<void(blocking_actor*, mailbox_element_ptr, execution_unit*)>(
      "_ZN3caf14blocking_actor7enqueueE"
      "St10unique_ptrINS_15mailbox_elementENS_6detail8disposerEEPNS_14execution_unitE");
  __tsan_release(this);
  next(this, std::move(message), on);
}

void blocking_actor::await_data() {
  static auto* const next =
      in_library<void(blocking_actor*)>("_ZN3caf14blocking_actor10await_dataEv");
  next(this);
  __tsan_acquire(this);
}

bool blocking_actor::await_data(timeout_type until) {
  static auto* const next = in_library<bool(blocking_actor*, timeout_type)>(
      "_ZN3caf14blocking_actor10await_dataE"
      "NSt6chrono10time_pointINS1_3_V212system_clockENS1_"
      "8durationIlSt5ratioILl1ELl1000000000EEEEEE");
  const bool found = next(this, until);
  __tsan_acquire(this);
  return found;
}

// What was done by way of a reference comes before the end of what it refers to.
void intrusive_ptr_release(actor_control_block* block) {
  static auto* const next = in_library<void(actor_control_block*)>(
      "_ZN3caf21intrusive_ptr_releaseEPNS_19actor_control_blockE");
  release_reference(block);
  next(block);
}

void intrusive_ptr_release_weak(actor_control_block* block) {
  static auto* const next = in_library<void(actor_control_block*)>(
      "_ZN3caf26intrusive_ptr_release_weakEPNS_19actor_control_blockE");
  release_reference(block);
  next(block);
}

void ref_counted::deref() const noexcept {
  static auto* const next = in_library<void(const ref_counted*)>("_ZNK3caf11ref_counted5derefEv");
  release_reference(const_cast<ref_counted*>(this));
  next(this);
}

}  // namespace caf
