// Runs that are killed at a call for a file of their checkpoints, and go on by the same command.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tests/temporary_folder.h"

namespace stagecraft::test {

/// "RANK CALL FILE": the faulty program kills its process before this call, counted from 0, for a
/// file of the checkpoints. Only rank RANK of several processes does. FILE has the number of calls.
inline constexpr const char* kCrashVariable = "STAGECRAFT_TEST_CRASH";

/// How the ranks of a run are split, as arguments of the program.
struct CrashLayout {
  std::string_view name;
  int ranks = 1;
  bool processes = false;  // else threads of one process
  std::vector<std::string> words;
};

/// Runs of 1, 2 and 8 ranks.
const std::vector<CrashLayout>& crash_layouts();

class CrashRuns {
 public:
  /// Trains without a crash, for comparison, and counts the calls of a process of rank `rank`.
  CrashRuns(const CrashLayout& layout, int rank);
  int calls() const { return calls_; }
  struct Outcome {
    bool crashed =
        false;  // false: a save was left out while another was written, and with it the call
    std::string wrong;  // "": nothing
  };
  /// Trains, kills before call `call`, and goes on.
  Outcome crash_at(int call) const;

 private:
  std::string train(const std::string& directory, int call, bool faulty, int& status) const;
  std::string difference() const;

  const CrashLayout& layout_;
  int rank_;
  int calls_ = 0;
  TemporaryFolder folder_;
};

}  // namespace stagecraft::test
