// Pinned memory in the pages of another owner.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

namespace stagecraft::cuda {

/// Device `index` copies to and from these pages without the host while the result lives. Throws
/// Error where the system does not let it.
std::shared_ptr<void> pin_memory(int index, std::span<std::byte> pages);

}  // namespace stagecraft::cuda
