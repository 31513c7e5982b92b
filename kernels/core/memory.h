// Device memory: pooled, and counted by what it is for.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>

namespace stagecraft {

enum class MemoryLabel {
  weights,
  gradients,
  optimizer,
  saved_activations,
  weight_stashes,
  transfer_slots,
  workspace
};
inline constexpr int kMemoryLabels = 7;

std::string_view to_string(MemoryLabel label);

/// Current and peak bytes, by label and in all. One account per actor; safe from any thread.
class MemoryAccount {
 public:
  struct Count {
    std::int64_t current = 0;
    std::int64_t peak = 0;
  };

  void add(MemoryLabel label, std::int64_t bytes);
  void remove(MemoryLabel label, std::int64_t bytes);
  Count count(MemoryLabel label) const;
  Count total() const;
  /// Peaks start again from what is held now.
  void reset_peaks();

 private:
  mutable std::mutex mutex_;
  std::array<Count, kMemoryLabels> counts_{};
  Count total_{};
};

class MemoryPool;

/// An owned piece of device memory, charged to one account under one label. When the last handle
/// goes, the charge ends and the bytes return to the pool that they came from. Safe from any
/// thread.
class Buffer {
 public:
  Buffer(std::shared_ptr<MemoryPool> pool, void* data, std::int64_t bytes,
         std::shared_ptr<MemoryAccount> account, MemoryLabel label);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }
  std::int64_t bytes() const { return bytes_; }
  MemoryLabel label() const { return label_; }

  /// From now on `account` pays for these bytes, under `label`.
  void charge_to(std::shared_ptr<MemoryAccount> account, MemoryLabel label);
  void relabel(MemoryLabel label) { charge_to(account_, label); }

 private:
  std::shared_ptr<MemoryPool> pool_;
  void* data_;
  std::int64_t bytes_;
  std::shared_ptr<MemoryAccount> account_;
  MemoryLabel label_;
};

/// Where raw bytes come from. A pool keeps what is returned for the next request (free_list.h).
class MemoryPool {
 public:
  virtual ~MemoryPool() = default;
  /// At least `bytes` bytes aligned to 64; throws Error naming the bytes asked for when there are
  /// none. Contents are undefined.
  virtual void* take(std::int64_t bytes) = 0;
  virtual void give_back(void* data, std::int64_t bytes) noexcept = 0;
};

/// What a stream allocates from: one pool and one account.
class MemoryResource {
 public:
  MemoryResource(std::shared_ptr<MemoryPool> pool, std::shared_ptr<MemoryAccount> account);

  /// `bytes` >= 0; zero gives a valid handle of no bytes.
  std::shared_ptr<Buffer> allocate(std::int64_t bytes, MemoryLabel label);
  const std::shared_ptr<MemoryAccount>& account() const { return account_; }

 private:
  std::shared_ptr<MemoryPool> pool_;
  std::shared_ptr<MemoryAccount> account_;
};

}  // namespace stagecraft
