// Other processes of a test: forked, so that they share what the test has mapped.
#pragma once

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <stdexcept>
#include <utility>

namespace stagecraft::test {

/// One byte at a time from whoever writes to whoever reads; after fork() both ends are everybody's.
class Pipe {
 public:
  Pipe() {
    if (::pipe(ends_) != 0) {
      throw std::runtime_error("no pipe can be made");
    }
  }
  ~Pipe() {
    ::close(ends_[0]);
    ::close(ends_[1]);
  }
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;

  void put(char byte = '.') {
    if (::write(ends_[1], &byte, 1) != 1) {
      throw std::runtime_error("the pipe takes nothing");
    }
  }
  char get() {
    char byte = 0;
    if (::read(ends_[0], &byte, 1) != 1) {
      throw std::runtime_error("the pipe gives nothing");
    }
    return byte;
  }

 private:
  int ends_[2] = {-1, -1};
};

/// Runs `body` in a forked child, which ends with 0, or with 1 when it throws. No assertion of
/// Catch's may be used in there.
class Child {
 public:
  explicit Child(const std::function<void()>& body) : process_(::fork()) {
    if (process_ < 0) {
      throw std::runtime_error("fork failed");
    }
    if (process_ == 0) {
      run(body);
    }
  }
  ~Child() {
    if (process_ > 0) {
      signal(SIGKILL);
      wait();
    }
  }
  Child(Child&& other) noexcept : process_(std::exchange(other.process_, -1)) {}
  Child& operator=(Child&&) = delete;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  int process() const { return process_; }
  void signal(int number) const { ::kill(process_, number); }
  /// The exit status, or 128 + signal.
  int wait() {
    int status = 0;
    ::waitpid(std::exchange(process_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  [[noreturn]] static void run(const std::function<void()>& body) {
    int status = 0;
    try {
      body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in a child: %s\n", error.what());
      status = 1;
    }
    ::_exit(status);
  }

  pid_t process_;
};

}  // namespace stagecraft::test
