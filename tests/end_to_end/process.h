// Runs the executable as a user does, in a folder of its own.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/base/file.h"
#include "tests/temporary_folder.h"

namespace stagecraft {

struct Ended {
  int status = -1;  // exit status, or 128 + signal
  std::string out;
  std::string err;
};

class Process {
 public:
  /// Starts `arguments` (the program's path first) in `folder`. Call wait() before the end. Its
  /// output goes to `terminal`, if there is one, instead of to Ended.
  Process(std::vector<std::string> arguments, const std::filesystem::path& folder,
          const std::filesystem::path& terminal = {}) {
    pid_ = ::fork();
    if (pid_ == 0) {
      become(std::move(arguments), folder, terminal);
    }
    if (pid_ < 0) {
      throw std::runtime_error("fork failed");
    }
  }

  pid_t pid() const { return pid_; }
  std::filesystem::path output_file() const { return output_.path() / "out"; }
  std::filesystem::path error_file() const { return output_.path() / "err"; }

  /// Whether wait() would return at once.
  bool has_ended() const {
    siginfo_t info{};
    return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           info.si_pid == pid_;
  }

  Ended wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    Ended ended;
    ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    for (const auto& [name, text] : {std::pair{"out", &ended.out}, {"err", &ended.err}}) {
      const std::filesystem::path file = output_.path() / name;
      *text = std::filesystem::exists(file) ? read_file(file) : "";
    }
    return ended;
  }

 private:
  [[noreturn]] void become(std::vector<std::string> arguments, const std::filesystem::path& folder,
                           const std::filesystem::path& terminal) {
    std::vector<char*> words;
    for (std::string& argument : arguments) {
      words.push_back(argument.data());
    }
    words.push_back(nullptr);
    for (const auto& [name, descriptor] :
         {std::pair{"out", STDOUT_FILENO}, {"err", STDERR_FILENO}}) {
      const std::filesystem::path file = terminal.empty() ? output_.path() / name : terminal;
      ::dup2(::open(file.c_str(), O_CREAT | O_WRONLY | O_NOCTTY, 0600), descriptor);
    }
    // SIGINT is ignored in a background job, and SIGHUP under nohup; children would inherit that.
    ::signal(SIGINT, SIG_DFL);
    ::signal(SIGHUP, SIG_DFL);
    if (::chdir(folder.c_str()) == 0) {
      ::execv(words[0], words.data());
    }
    ::_exit(127);
  }

  TemporaryFolder output_;
  pid_t pid_ = -1;
};

/// Runs the executable with these arguments.
inline Process start_stagecraft(std::vector<std::string> words,
                                const std::filesystem::path& folder) {
  words.insert(words.begin(), STAGECRAFT_EXECUTABLE);
  return {std::move(words), folder};
}

inline Ended run_stagecraft(std::vector<std::string> words, const std::filesystem::path& folder) {
  return start_stagecraft(std::move(words), folder).wait();
}

}  // namespace stagecraft
