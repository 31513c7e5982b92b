// Waiting for a run directory whose holder may have died with its host.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>

#include "launch/artifacts/run_claim.h"

namespace stagecraft {

/// A claim of another host that nobody touches any more has ended within this time, whatever its
/// host was doing when it died.
inline constexpr std::chrono::seconds kClaimWait = kClaimPatience + std::chrono::seconds(30);

/// Waits at most `patience` while a process of another host holds the folder, and says so once. One
/// that lives holds it still when this returns. Does not wait for a process of this host.
void await_claim(const std::filesystem::path& folder,
                 const std::function<void(const std::string&)>& say,
                 std::chrono::milliseconds patience = kClaimWait);

}  // namespace stagecraft
