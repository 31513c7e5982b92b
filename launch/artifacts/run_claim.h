// The claim of a run directory: one run holds it at a time, also when several start at once.
#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "kernels/base/descriptor.h"
#include "launch/artifacts/claim_record.h"

namespace stagecraft {

/// So long after its holder last touched it, a claim of another host holds no more.
inline constexpr std::chrono::seconds kClaimPatience{60};
inline constexpr std::chrono::milliseconds kTouchEvery = kClaimPatience / 4;

/// A claim holds while its process, or the process that locks the file, lives. What lives on
/// another host is not known here: its claim holds until kClaimPatience after it was last touched,
/// by the clock of the file system. A thread touches the file as long as the claim exists. Errors
/// are Error
/// "[PATH] ...".
class RunClaim {
 public:
  /// Makes the file in an existing folder, or takes the place of a claim that holds no more. Null
  /// if the folder has a holder.
  static std::unique_ptr<RunClaim> take(const std::filesystem::path& folder,
                                        const ClaimRecord& record,
                                        std::chrono::milliseconds touch_every = kTouchEvery);
  /// Takes the place of a claim that was passed on.
  static std::unique_ptr<RunClaim> replace(const std::filesystem::path& folder,
                                           const ClaimRecord& record);
  /// Unlocks the file, which stays.
  ~RunClaim();
  RunClaim(const RunClaim&) = delete;
  RunClaim& operator=(const RunClaim&) = delete;

  const std::string& token() const { return token_; }
  /// Whether another claim has taken its place: of a process of another host, which found it
  /// untouched because this process, or its host, had stopped.
  bool is_replaced() const;
  /// The same, as it was when the file was last touched. Never waits.
  bool was_replaced() const { return replaced_; }
  /// Removes the file, unless another claim has taken its place.
  void remove() noexcept;

 private:
  RunClaim(const std::filesystem::path& folder, const ClaimRecord& record);
  bool publish();
  bool publish_new();
  void publish_over();
  void begin_touching(std::chrono::milliseconds every);
  void keep_touched(const std::stop_token& end, std::chrono::milliseconds every);

  std::string token_;
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // until the file is complete
  Descriptor file_;
  std::atomic<bool> replaced_{false};
  std::jthread touching_;
};

/// "the run NAME (process N on HOST)" if a folder's claim holds, with a remedy where this host
/// cannot tell when it ends; "" otherwise.
std::string claim_holder(const std::filesystem::path& folder);

/// Whether a name in a run directory is the claim's, or that of a claim that is being made.
bool is_claim_file(const std::filesystem::path& name);

}  // namespace stagecraft
