// launch/train with a script in place of mpirun.
#pragma once

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/end_to_end/process.h"

namespace stagecraft::test {

/// Puts the script into FOLDER/bin.
inline void put_mpirun(const std::filesystem::path& folder, const std::string& script) {
  std::filesystem::create_directories(folder / "bin");
  const std::filesystem::path mpirun = folder / "bin/mpirun";
  std::ofstream(mpirun) << script;
  ::chmod(mpirun.c_str(), 0755);
}

/// Trains FOLDER/run.toml in two processes, in FOLDER/run. The script finds the real mpirun in the
/// rest of PATH.
inline Process train_with_mpirun(const std::filesystem::path& folder,
                                 const std::vector<std::string>& more,
                                 const std::string& program = STAGECRAFT_EXECUTABLE) {
  std::vector<std::string> words{"/usr/bin/env",
                                 "PATH=" + (folder / "bin").string() + ":" + std::getenv("PATH"),
                                 STAGECRAFT_LAUNCH_TRAIN,
                                 "run.toml",
                                 "--program",
                                 program,
                                 "--set",
                                 "run.mode=mpi",
                                 "--set",
                                 "run.directory=run",
                                 "--set",
                                 "parallel.pipeline=2"};
  words.insert(words.end(), more.begin(), more.end());
  return {words, folder};
}

}  // namespace stagecraft::test
