#include "launch/artifacts/earlier_files.h"

#include <catch2/catch.hpp>

#include "kernels/base/file.h"
#include "launch/artifacts/result_file.h"
#include "launch/artifacts/run_directory.h"
#include "tests/temporary_folder.h"

using namespace stagecraft;
namespace fs = std::filesystem;

namespace {

constexpr const char* kFirst = "{\"step\": 1, \"loss\": 5.5}\n";
constexpr const char* kSecond = "{\"step\": 2, \"loss\": 5.25}\n";
constexpr const char* kHash = "{\"step\": 2, \"state_hash\": \"00ff\"}\n";
constexpr const char* kEvaluation = "{\"step\": 2, \"validation_loss\": 5}\n";
constexpr const char* kThird = "{\"step\": 3, \"loss\": null}\n";

struct Rows {
  explicit Rows(const std::string& text) { write_file(path, text); }
  std::int64_t cut(const KeptRows& kept) const { return cut_rows(path, kept); }
  std::string text() const { return read_file(path); }
  TemporaryFolder folder;
  fs::path path = folder.path() / "metrics.jsonl";
};

std::string all() { return std::string(kFirst) + kSecond + kHash + kEvaluation + kThird; }

}  // namespace

TEST_CASE("rows behind the checkpoint are cut") {
  const Rows rows(all());
  CHECK(rows.cut({.step = 3}) == 0);
  CHECK(rows.text() == all());
  CHECK(rows.cut({.step = 2}) == 1);
  CHECK(rows.text() == std::string(kFirst) + kSecond + kHash + kEvaluation);
  CHECK(rows.cut({.step = 1}) == 3);
  CHECK(rows.text() == kFirst);
  CHECK(rows.cut({.step = 0}) == 1);
  CHECK(rows.text().empty());
  CHECK(rows.cut({.step = 0}) == 0);
}

TEST_CASE("an evaluation that is still due has no row") {
  const Rows rows(all());
  CHECK(rows.cut({.step = 2, .evaluation_due = true}) == 2);
  CHECK(rows.text() == std::string(kFirst) + kSecond + kHash);
}

TEST_CASE("a row cut off at any byte is cut, and what follows a damaged one") {
  const std::string whole = std::string(kFirst) + kSecond;
  for (std::size_t length = std::string(kFirst).size() + 1; length < whole.size(); ++length) {
    const Rows rows(whole.substr(0, length));
    CHECK(rows.cut({.step = 9}) == 1);
    CHECK(rows.text() == kFirst);
  }
  const Rows damaged(std::string(kFirst) + "{\"step\": 2, \"lo\n" + kThird);
  CHECK(damaged.cut({.step = 9}) == 2);
  CHECK(damaged.text() == kFirst);
}

TEST_CASE("what a start makes anew is moved aside, and the rest stays") {
  const TemporaryFolder folder;
  const fs::path run = folder.path();
  CHECK(prepare_files(run, {.step = 0}).empty());
  CHECK(read_restarts(run) == std::vector<Restart>{{0, "killed", 0, ""}});
  const auto leave = [&] {
    write_result(run, {.outcome = Outcome::failed, .steps = 3, .cause = "rank 1 is gone"});
    for (const char* name : {"progress", "progress.4", "trace.json", "trace_summary.json",
                             "config.toml", "claim", "notes.txt"}) {
      write_file(run / name, "x");
    }
    fs::create_directories(run / "logs");
    fs::create_directories(traces_folder(run));
    fs::create_directories(model_folder(run));
    write_file(metrics_file(run), all());
  };
  leave();
  const std::vector<std::string> notes = prepare_files(run, {.step = 2});
  REQUIRE(notes.size() == 2);
  CHECK_THAT(notes[0], Catch::StartsWith("1 row behind step 2 was removed from "));
  CHECK(notes[1] == "what the earlier start left is in " + (run / "earlier" / "1").string());
  for (const char* name : {"result.json", "progress", "progress.4", "trace.json",
                           "trace_summary.json", "traces", "model"}) {
    CAPTURE(name);
    CHECK_FALSE(fs::exists(run / name));
    CHECK(fs::exists(run / "earlier" / "1" / name));
  }
  for (const char* name : {"config.toml", "claim", "notes.txt", "logs", "metrics.jsonl"}) {
    CAPTURE(name);
    CHECK(fs::exists(run / name));
  }
  CHECK(read_restarts(run).back() == Restart{2, "failed", 3, "rank 1 is gone"});
  leave();
  prepare_files(run, {.step = 2});
  CHECK(fs::exists(run / "earlier" / "2" / "traces"));
  CHECK(read_restarts(run).size() == 3);
}
