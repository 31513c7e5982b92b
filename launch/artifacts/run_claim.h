// The claim of a run directory: one run holds it at a time, also when several start at once.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "kernels/base/descriptor.h"
#include "launch/artifacts/claim_record.h"

namespace stagecraft {

/// A claim holds while its process, or the process that locks the file, lives. One of another host
/// holds until its file is removed. Errors are Error "[PATH] ...".
class RunClaim {
 public:
  /// Makes the file in an existing folder, or takes the place of a claim that holds no more. Null
  /// if the folder has a holder.
  static std::unique_ptr<RunClaim> take(const std::filesystem::path& folder,
                                        const ClaimRecord& record);
  /// Takes the place of a claim that was passed on.
  static std::unique_ptr<RunClaim> replace(const std::filesystem::path& folder,
                                           const ClaimRecord& record);
  /// Unlocks the file, which stays.
  ~RunClaim();
  RunClaim(const RunClaim&) = delete;
  RunClaim& operator=(const RunClaim&) = delete;

  const std::string& token() const { return token_; }
  /// Removes the file, unless another claim has taken its place.
  void remove() noexcept;

 private:
  RunClaim(const std::filesystem::path& folder, const ClaimRecord& record);
  bool publish();
  bool publish_new();
  void publish_over();

  std::string token_;
  std::filesystem::path path_;
  std::filesystem::path temporary_;  // until the file is complete
  Descriptor file_;
};

/// "the run NAME (process N on HOST)" if a folder's claim holds, with a remedy where this host
/// cannot tell when it ends; "" otherwise.
std::string claim_holder(const std::filesystem::path& folder);

/// Whether a name in a run directory is the claim's, or that of a claim that is being made.
bool is_claim_file(const std::filesystem::path& name);

}  // namespace stagecraft
