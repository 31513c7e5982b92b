#include "kernels/base/host_pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

constexpr std::string_view kWhere = "HostPages";

std::byte* mapped(std::size_t size) {
  if (size == 0) {
    return nullptr;
  }
  void* const data =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  require(data != MAP_FAILED, kWhere, "the host maps no {} bytes of memory: {}", size,
          std::generic_category().message(errno));
  ::madvise(data, size, MADV_HUGEPAGE);
  return static_cast<std::byte*>(data);
}

/// A page is there once a byte of it was written.
void touch(std::span<std::byte> pages) {
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  for (std::size_t at = 0; at < pages.size(); at += page) {
    *static_cast<volatile std::byte*>(&pages[at]) = std::byte{0};
  }
}

void take(std::span<std::byte> pages, const std::stop_token& stop,
          const HostPages::FreeMemory& left) {
  constexpr std::size_t kBlock = std::size_t{64} << 20;
  for (std::size_t at = 0; at < pages.size(); at += kBlock) {
    const std::span<std::byte> rest = pages.subspan(at);
    require(!stop.stop_requested(), kWhere, "no longer wanted");
    const std::int64_t now = left();
    require(now - static_cast<std::int64_t>(rest.size()) >= HostPages::kReserve, kWhere,
            "the host has {} bytes free: it would not keep {} of them beside {} more", now,
            HostPages::kReserve, rest.size());
    touch(rest.first(std::min(kBlock, rest.size())));
  }
}

}  // namespace

HostPages::HostPages(std::int64_t bytes, const std::stop_token& stop, const FreeMemory& left)
    : data_(mapped(static_cast<std::size_t>(bytes))), size_(static_cast<std::size_t>(bytes)) {
  try {
    take(this->bytes(), stop, left);
  } catch (...) {
    ::munmap(data_, size_);
    throw;
  }
}

HostPages::~HostPages() {
  if (data_ != nullptr) {
    ::munmap(data_, size_);
  }
}

}  // namespace stagecraft
