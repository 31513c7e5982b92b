// The contract of TraceSink, over the files of a run and over the memory of tests; and what only
// files do: their bound, and a disk that fails.
#include "actors/protocol/trace_sink.h"

#include <catch2/catch.hpp>

#include "kernels/base/file.h"
#include "kernels/base/posix_file_system.h"
#include "launch/artifacts/rank_trace_file.h"
#include "launch/artifacts/rank_traces.h"
#include "launch/artifacts/trace_lines.h"
#include "tests/actors/memory_trace.h"
#include "tests/kernels/base/observed_file_system.h"
#include "tests/temporary_folder.h"

namespace stagecraft {
namespace {

using namespace test;
namespace fs = std::filesystem;

constexpr MeshShape kMesh{.pipeline = 4};

Span span_of(std::int64_t step, const std::string& name = "F 0") {
  return {.lane = Lane::send,
          .name = name,
          .begin_ns = 1'000'000'000'000'000 + step,
          .end_ns = 1'000'000'000'000'001 + step,
          .flow = ~std::uint64_t{0},
          .step = step,
          .instruction = "0F0"};
}

bool same(const Span& a, const Span& b) {
  return a.lane == b.lane && a.name == b.name && a.begin_ns == b.begin_ns && a.end_ns == b.end_ns &&
         a.flow == b.flow && a.step == b.step && a.instruction == b.instruction;
}

/// A kind of sink, and a way to read what its ranks have written.
struct Kind {
  std::string name;
  MakeTraceSink make;
  std::function<std::vector<Span>(int rank)> spans;
  std::shared_ptr<TemporaryFolder> folder = {};  // null: in memory
};

/// A rank's files. What it says goes to `said`.
RankTraceOptions options_in(const fs::path& folder, int rank, std::vector<std::string>* said,
                            std::shared_ptr<FileSystem> files = std::make_shared<PosixFileSystem>(),
                            int limit_mib = 64) {
  return {.folder = folder,
          .rank = rank,
          .limit_mib = limit_mib,
          .files = std::move(files),
          .say = [said](const std::string& text) {
            REQUIRE(said != nullptr);
            said->push_back(text);
          }};
}

std::vector<Kind> kinds() {
  const auto memory = std::make_shared<MemoryTrace>();
  const auto on_disk = [](const char* name, const std::shared_ptr<FileSystem>& files) {
    const auto folder = std::make_shared<TemporaryFolder>();
    return Kind{name,
                [folder, files](int rank) {
                  return std::make_unique<RankTraceFile>(
                      options_in(folder->path() / "traces", rank, nullptr, files));
                },
                [folder](int rank) {
                  for (RankSpans& each : read_rank_traces(folder->path() / "traces", kMesh).ranks) {
                    if (each.rank == rank) {
                      return std::move(each.spans);
                    }
                  }
                  return std::vector<Span>();
                },
                folder};
  };
  const auto posix = std::make_shared<PosixFileSystem>();
  return {{"memory", sinks_of(memory), [memory](int rank) { return memory->spans(rank); }},
          on_disk("file", posix),
          on_disk("file, short writes", short_writing_file_system(posix, 7))};
}

TEST_CASE("what a rank adds is there when it has ended, in order, apart from other ranks") {
  for (const Kind& kind : kinds()) {
    CAPTURE(kind.name);
    const auto first = kind.make(1);
    const auto second = kind.make(3);
    std::vector<Span> expected = {span_of(1, "\"quoted\" \\ \n"), span_of(1), span_of(2)};
    expected[1].flow = 0;
    expected[1].instruction = "";
    expected[1].lane = Lane::schedule;
    CHECK(first->add({expected[0], expected[1]}));
    CHECK(second->add({span_of(7)}));
    CHECK(first->add({}));
    CHECK(first->add({expected[2]}));
    first->end();
    second->end();
    const std::vector<Span> read = kind.spans(1);
    REQUIRE(read.size() == 3);
    for (std::size_t i = 0; i < 3; ++i) {
      CHECK(same(read[i], expected[i]));
    }
    REQUIRE(kind.spans(3).size() == 1);
    CHECK(same(kind.spans(3).front(), span_of(7)));
    CHECK(kind.spans(2).empty());
  }
}

TEST_CASE("times are read on rank 0's clock, also if the run had no end") {
  const bool ended = GENERATE(true, false);
  const TemporaryFolder folder;
  RankTraceFile zero(options_in(folder.path(), 0, nullptr));
  RankTraceFile two(options_in(folder.path(), 2, nullptr));
  zero.add_clocks(ClockReadings{false, {{0, 0, 0}, {0, 0, 0}, {0, 1000, 3}, {0, 0, 0}}});
  zero.add({span_of(1)});
  two.add({span_of(1)});
  if (ended) {
    zero.add_clocks(ClockReadings{true, {{0, 0, 0}, {0, 0, 0}, {0, 1000, 3}, {0, 0, 0}}});
  }
  zero.end();
  two.end();
  const RunTrace trace = read_rank_traces(folder.path(), kMesh);
  REQUIRE(trace.ranks.size() == 2);
  CHECK(trace.ranks[0].spans.front().begin_ns == span_of(1).begin_ns);
  CHECK(trace.ranks[1].spans.front().begin_ns == span_of(1).begin_ns - 1000);
  CHECK(trace.ranks[1].spans.front().end_ns == span_of(1).end_ns - 1000);
  CHECK(trace.ranks[1].coordinate == MeshCoordinate{.pipeline = 2});
  CHECK(trace.gaps.empty());
}

TEST_CASE("without clock readings times stay as they are") {
  const TemporaryFolder folder;
  RankTraceFile two(options_in(folder.path(), 2, nullptr));
  two.add({span_of(1)});
  two.end();
  const RunTrace trace = read_rank_traces(folder.path(), kMesh);
  REQUIRE(trace.ranks.size() == 1);
  CHECK(trace.ranks.front().spans.front().begin_ns == span_of(1).begin_ns);
}

TEST_CASE("at its limit a file ends with a line that says so, and the rank records no more") {
  const TemporaryFolder folder;
  std::vector<std::string> said;
  RankTraceFile sink(options_in(folder.path(), 0, &said, std::make_shared<PosixFileSystem>(), 1));
  std::int64_t step = 1;
  while (sink.add(std::vector<Span>(100, span_of(step)))) {
    CHECK(said.empty());
    ++step;
  }
  CHECK_FALSE(sink.add({span_of(step + 1)}));
  sink.end();
  const auto bytes = static_cast<std::int64_t>(fs::file_size(rank_trace_file(folder.path(), 0)));
  CHECK(bytes <= 1 << 20);
  CHECK(bytes > (1 << 20) - 1000);
  const std::string text =
      "step " + std::to_string(step) + " and later steps: trace.limit_mib = 1 is reached";
  CHECK(said == std::vector<std::string>{"the trace lacks " + text});
  const RunTrace trace = read_rank_traces(folder.path(), kMesh);
  REQUIRE(trace.gaps.size() == 1);
  CHECK(trace.gaps.front().from_step == step);
  CHECK(trace.gaps.front().why == "trace.limit_mib = 1 is reached");
  CHECK(trace.ranks.front().spans.size() > 100 * static_cast<std::size_t>(step - 1));
}

TEST_CASE("clocks are written whatever the limit") {
  const TemporaryFolder folder;
  std::vector<std::string> said;
  RankTraceFile sink(options_in(folder.path(), 0, &said, std::make_shared<PosixFileSystem>(), 1));
  while (sink.add(std::vector<Span>(1000, span_of(1)))) {
  }
  const std::vector<ClockReading> readings(4, {.at_ns = 0, .ahead_ns = 5, .error_ns = 1});
  sink.add_clocks(ClockReadings{true, readings});
  sink.end();
  const RunTrace trace = read_rank_traces(folder.path(), kMesh);
  CHECK(trace.gaps.front().from_step == 1);
  CHECK_THAT(read_file(clocks_file(folder.path())), Catch::StartsWith("{\"clocks\":\"end\""));
}

TEST_CASE("a call of the disk that fails ends the trace, is said once and throws nothing") {
  for (const FileFault& fault :
       {FileFault{FileCallKind::make_directory, 1, EACCES}, FileFault{FileCallKind::create, 1, EIO},
        FileFault{FileCallKind::write, 1, ENOSPC}, FileFault{FileCallKind::write, 2, ENOSPC},
        FileFault{FileCallKind::write, 3, EIO}}) {
    const TemporaryFolder folder;
    const auto files = failing_file_system(std::make_shared<PosixFileSystem>(), fault);
    std::vector<std::string> said;
    RankTraceFile sink(options_in(folder.path() / "traces", 0, &said, files));
    const bool first = sink.add({span_of(1)});
    const bool second = sink.add({span_of(2)});
    sink.end();
    CAPTURE(static_cast<int>(fault.kind), fault.call);
    CHECK(first == (fault.kind == FileCallKind::write && fault.call > 1));
    CHECK(second == (fault.kind == FileCallKind::write && fault.call > 2));
    REQUIRE(said.size() == 1);
    CHECK_THAT(said.front(), Catch::StartsWith("the trace ends here, and the run goes on: [" +
                                               folder.path().string()));
    const RunTrace trace = read_rank_traces(folder.path() / "traces", kMesh);
    if (!trace.ranks.empty()) {  // what was written before is there, and is known to be cut
      CHECK(trace.ranks.front().spans.size() == static_cast<std::size_t>(first) + second);
      REQUIRE(trace.gaps.size() == 1);
    }
  }
}

TEST_CASE("a write that is torn by a full disk leaves the lines before it") {
  const TemporaryFolder folder;
  const auto line = static_cast<std::int64_t>(trace_line(span_of(1)).size());
  std::int64_t room = 2 * line + line / 2;
  const auto files = std::make_shared<ObservedFileSystem>(
      std::make_shared<PosixFileSystem>(), [&](FileCall& call) {
        if (call.kind == FileCallKind::write) {
          if (room == 0) {
            fail_call(call, ENOSPC);
          }
          call.bytes.resize(std::min(call.bytes.size(), static_cast<std::size_t>(room)));
          room -= static_cast<std::int64_t>(call.bytes.size());
        }
      });
  std::vector<std::string> said;
  RankTraceFile sink(options_in(folder.path(), 1, &said, files));
  CHECK_FALSE(sink.add({span_of(1), span_of(1), span_of(2), span_of(2)}));
  sink.end();
  REQUIRE(said.size() == 1);
  CHECK_THAT(said.front(), Catch::Contains("No space left on device"));
  const RunTrace trace = read_rank_traces(folder.path(), kMesh);
  REQUIRE(trace.ranks.size() == 1);
  CHECK(trace.ranks.front().spans.size() == 2);
  REQUIRE(trace.gaps.size() == 1);
  CHECK(trace.gaps.front().from_step == 1);
  CHECK_THAT(trace.gaps.front().why, Catch::Contains("torn line"));
}

}  // namespace
}  // namespace stagecraft
