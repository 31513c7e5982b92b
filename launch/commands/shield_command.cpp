#include "launch/commands/shield_command.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

void block(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) {
    sigaddset(&set, number);
  }
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

void shield(std::vector<std::string> words) {
  require(!words.empty(), "shield", "there is no program to start");
  block({SIGTERM, SIGHUP});
  ::setsid();  // fails where the process leads a group, which is then its own already
  ::prctl(PR_SET_PDEATHSIG, SIGINT);
  std::signal(SIGINT, SIG_DFL);  // a shell's background process ignores it
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) {
    arguments.push_back(word.data());
  }
  arguments.push_back(nullptr);
  ::execvp(arguments[0], arguments.data());
  throw Error(words[0], fmt::format("cannot be started: {}", std::strerror(errno)));
}

}  // namespace stagecraft
