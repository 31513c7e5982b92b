#include "kernels/core/memory.h"

#include <algorithm>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {

std::string_view to_string(MemoryLabel label) {
  constexpr std::array<std::string_view, kMemoryLabels> kNames = {
      "weights",        "gradients",      "optimizer", "saved activations",
      "weight stashes", "transfer slots", "workspace"};
  return kNames.at(static_cast<std::size_t>(label));
}

void MemoryAccount::add(MemoryLabel label, std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  for (Count* count : {&counts_.at(static_cast<std::size_t>(label)), &total_}) {
    count->current += bytes;
    count->peak = std::max(count->peak, count->current);
  }
}

void MemoryAccount::remove(MemoryLabel label, std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  counts_.at(static_cast<std::size_t>(label)).current -= bytes;
  total_.current -= bytes;
}

MemoryAccount::Count MemoryAccount::count(MemoryLabel label) const {
  const std::lock_guard lock(mutex_);
  return counts_.at(static_cast<std::size_t>(label));
}

MemoryAccount::Count MemoryAccount::total() const {
  const std::lock_guard lock(mutex_);
  return total_;
}

void MemoryAccount::reset_peaks() {
  const std::lock_guard lock(mutex_);
  for (Count& count : counts_) {
    count.peak = count.current;
  }
  total_.peak = total_.current;
}

Buffer::Buffer(std::shared_ptr<MemoryPool> pool, void* data, std::int64_t bytes,
               std::shared_ptr<MemoryAccount> account, MemoryLabel label)
    : pool_(std::move(pool)),
      data_(data),
      bytes_(bytes),
      account_(std::move(account)),
      label_(label) {
  account_->add(label_, bytes_);
}

Buffer::~Buffer() {
  account_->remove(label_, bytes_);
  pool_->give_back(data_, bytes_);
}

void Buffer::charge_to(std::shared_ptr<MemoryAccount> account, MemoryLabel label) {
  if (account == account_ && label == label_) {
    return;
  }
  account_->remove(label_, bytes_);
  account_ = std::move(account);
  label_ = label;
  account_->add(label_, bytes_);
}

MemoryResource::MemoryResource(std::shared_ptr<MemoryPool> pool,
                               std::shared_ptr<MemoryAccount> account)
    : pool_(std::move(pool)), account_(std::move(account)) {}

std::shared_ptr<Buffer> MemoryResource::allocate(std::int64_t bytes, MemoryLabel label) {
  require(bytes >= 0, "MemoryResource::allocate", "cannot allocate {} bytes", bytes);
  return std::make_shared<Buffer>(pool_, pool_->take(bytes), bytes, account_, label);
}

}  // namespace stagecraft
