// CUDA keeps a current device per host thread. Nothing here relies on it: who needs a device says
// which, for as long as he needs it.
#pragma once

namespace stagecraft::cuda {

/// Device `index` is the calling thread's while this lives; the one before comes back after.
class DeviceScope {
 public:
  explicit DeviceScope(int index);
  ~DeviceScope();
  DeviceScope(const DeviceScope&) = delete;
  DeviceScope& operator=(const DeviceScope&) = delete;

 private:
  int index_;
  int before_ = 0;
};

}  // namespace stagecraft::cuda
