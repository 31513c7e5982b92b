// A terminal whose screen a test reads.
#pragma once

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace stagecraft {

/// A terminal, as a person has it: Ctrl-S stops its output, Ctrl-Q lets it go on.
class Terminal {
 public:
  Terminal() : screen_(::posix_openpt(O_RDWR | O_NOCTTY | O_NONBLOCK)) {
    expect(screen_ >= 0);
    expect(::grantpt(screen_) == 0 && ::unlockpt(screen_) == 0);
    path_ = ::ptsname(screen_);
    line_ = ::open(path_.c_str(), O_RDWR | O_NOCTTY);
    expect(line_ >= 0);
  }
  ~Terminal() {
    ::close(line_);
    ::close(screen_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  const std::filesystem::path& path() const { return path_; }
  void stop() const { expect(::tcflow(line_, TCOOFF) == 0); }
  void go_on() const { expect(::tcflow(line_, TCOON) == 0); }
  /// All that the screen has shown.
  const std::string& text() {
    std::array<char, 4096> piece{};
    for (ssize_t count = 0; (count = ::read(screen_, piece.data(), piece.size())) > 0;) {
      text_.append(piece.data(), static_cast<std::size_t>(count));
    }
    return text_;
  }

 private:
  static void expect(bool done) {
    if (!done) {
      throw std::runtime_error("the system gives no terminal");
    }
  }

  int screen_;
  int line_ = -1;
  std::filesystem::path path_;
  std::string text_;
};

}  // namespace stagecraft
