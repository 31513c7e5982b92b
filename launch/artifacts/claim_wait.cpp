#include "launch/artifacts/claim_wait.h"

#include <fmt/format.h>

#include <thread>

#include "stages/board/progress_slot.h"

namespace stagecraft {
namespace {

bool is_of_another_host(const std::filesystem::path& folder) {
  const std::string host = read_claim(folder).host;
  return !host.empty() && host != host_name();
}

}  // namespace

void await_claim(const std::filesystem::path& folder,
                 const std::function<void(const std::string&)>& say,
                 std::chrono::milliseconds patience) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kPoll{200};
  const Clock::time_point deadline = Clock::now() + patience;
  bool said = false;
  while (Clock::now() < deadline && is_of_another_host(folder)) {
    const std::string holder = claim_holder(folder);
    if (holder.empty()) {
      return;
    }
    if (!said) {
      say(fmt::format("waiting for {}, which is held by {}", folder.string(), holder));
      said = true;
    }
    std::this_thread::sleep_for(kPoll);
  }
}

}  // namespace stagecraft
