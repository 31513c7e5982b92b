// A stream orders work on one device; an event orders streams. The CPU is a device whose stream
// runs inline: issue is completion. There is no current device and no default stream.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/core/device.h"
#include "kernels/core/memory.h"

namespace stagecraft {

struct OpTable;

/// A point in the work of a stream. On the CPU it is always reached. It orders streams of one
/// backend; the host waits for a device by synchronize() or copy_to_host() (ops/host_copy.h).
struct Event {
  std::shared_ptr<void> native;
};

/// A point in the work of a stream whose time can be told. On the CPU that is the time of issue.
struct TimeMark {
  std::shared_ptr<void> native = {};
  std::int64_t issued_ns = 0;
};

/// What a stream has asked of the host and of its device since it was made, and which of several
/// ways of computing it has taken. The CPU counts nothing.
struct StreamUse {
  std::int64_t full_waits = 0;    // the host waited for all that was issued
  std::int64_t event_waits = 0;   // the host waited for a point before that
  std::int64_t memory_calls = 0;  // memory was asked of the device, or given back to it
  std::int64_t held_bytes = 0;    // of the device's memory, free pieces included
  // Calls of attention, in each direction, that the device's library computed, and those of both
  // that the backend's own kernel did.
  std::int64_t library_attention_forwards = 0;
  std::int64_t library_attention_backwards = 0;
  std::int64_t own_attentions = 0;
  std::int64_t chosen_products = 0;  // matrix products by an algorithm that was chosen by the clock
};

/// Issued to by one thread at a time. Work that is issued may still read its arguments' memory when
/// the call returns; memory that goes back to the pool serves later work of this stream only.
class Stream {
 public:
  virtual ~Stream() = default;
  virtual Device device() const = 0;
  virtual MemoryResource& memory() = 0;
  /// The operations of this stream's backend (kernels/ops/op_table.h). To call one, see dispatch.h.
  virtual const OpTable& ops() const = 0;
  /// The backend's own handle, for other libraries of the same device (native_stream.h); null where
  /// there is none.
  virtual void* native_handle() const { return nullptr; }
  /// `event` is reached when everything issued so far is done.
  virtual void record(Event& event) = 0;
  /// What is issued from now on starts after `event`. Does not block the host.
  virtual void wait(const Event& event) = 0;
  /// Blocks the host until everything issued is done.
  virtual void synchronize() = 0;
  /// Blocks the host until `event` is reached.
  virtual void synchronize(const Event& event) = 0;

  virtual TimeMark mark_time() = 0;
  /// When `mark`, of this stream, was reached, on the host's steady clock (now_ns() of
  /// base/span.h). Blocks the host until it is.
  virtual std::int64_t time_of(const TimeMark& mark) = 0;

  virtual StreamUse use() const = 0;
  /// What the host issues until end_range() bears this name in the vendor's profiler.
  virtual void begin_range(const std::string& name) = 0;
  virtual void end_range() = 0;
};

struct StreamOptions {
  int threads = 1;    // CPU: how many threads an operation may use; changes no bit of a result
  bool tf32 = false;  // CUDA: matrix products may round their factors to 10 bits of fraction
};

}  // namespace stagecraft
