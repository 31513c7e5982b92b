// Nobody waits for a reader who has stopped: the queue's thread does, and live lines go first.
#include "launch/run/line_queue.h"

#include <catch2/catch.hpp>
#include <future>
#include <stdexcept>
#include <string>
#include <vector>

using namespace stagecraft;
using Kind = LineQueue::Kind;

namespace {

/// Takes no line until it is opened, as a terminal that was stopped.
class StoppedReader {
 public:
  void write(Kind /*kind*/, const std::string& text) {
    if (lines_.empty()) {
      arrived_.set_value();
    }
    opened_.wait();
    lines_.push_back(text);
  }
  /// Returns when the queue's thread waits for this reader.
  void await_first_line() { arrived_.get_future().wait(); }
  void open() { opener_.set_value(); }
  const std::vector<std::string>& lines() const { return lines_; }

 private:
  std::promise<void> arrived_;
  std::promise<void> opener_;
  std::shared_future<void> opened_ = opener_.get_future().share();
  std::vector<std::string> lines_;
};

}  // namespace

TEST_CASE("a line queue writes all lines in order") {
  std::vector<std::string> written;
  LineQueue queue(4, LineQueue::WhenFull::wait,
                  [&](Kind, const std::string& text) { written.push_back(text); });
  for (int i = 0; i < 100; ++i) {
    queue.add(Kind::line, std::to_string(i));
  }
  queue.flush();
  REQUIRE(written.size() == 100);
  for (int i = 0; i < 100; ++i) {
    CHECK(written[static_cast<std::size_t>(i)] == std::to_string(i));
  }
}

TEST_CASE("while nobody reads, a live line replaces the one before it, and lines are kept") {
  StoppedReader reader;
  LineQueue queue(4, LineQueue::WhenFull::drop,
                  [&](Kind kind, const std::string& text) { reader.write(kind, text); });
  queue.add(Kind::line, "first");
  reader.await_first_line();
  queue.add(Kind::live, "step 1");
  queue.add(Kind::line, "a");
  queue.add(Kind::live, "step 2");
  queue.add(Kind::line, "b");
  reader.open();
  queue.flush();
  CHECK(reader.lines() == std::vector<std::string>{"first", "a", "step 2", "b"});
  CHECK(queue.dropped() == 0);
}

TEST_CASE("a full queue drops its live line first, then the oldest lines, and counts them") {
  StoppedReader reader;
  LineQueue queue(3, LineQueue::WhenFull::drop,
                  [&](Kind kind, const std::string& text) { reader.write(kind, text); });
  queue.add(Kind::line, "first");
  reader.await_first_line();
  queue.add(Kind::line, "a");
  queue.add(Kind::live, "step 1");
  queue.add(Kind::line, "b");
  queue.add(Kind::line, "c");  // for this the live line goes
  CHECK(queue.dropped() == 0);
  queue.add(Kind::line, "d");  // for this a goes
  CHECK(queue.dropped() == 1);
  reader.open();
  queue.flush();
  CHECK(reader.lines() == std::vector<std::string>{"first", "b", "c", "d"});
}

TEST_CASE(
    "a line that cannot be written is an error of the next call, and nothing more is written") {
  int calls = 0;
  LineQueue queue(8, LineQueue::WhenFull::wait, [&](Kind, const std::string&) {
    ++calls;
    throw std::runtime_error("the disk is full");
  });
  queue.add(Kind::line, "first");
  CHECK_THROWS_WITH(queue.flush(), "the disk is full");
  CHECK_THROWS_WITH(queue.add(Kind::line, "second"), "the disk is full");
  CHECK(calls == 1);
}
