// The program with a family of its own: its command line knows it, and processes train it as one
// rank does.
#include <catch2/catch.hpp>

#include <fmt/format.h>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "tests/end_to_end/process.h"
#include "tests/end_to_end/run_processes.h"
#include "tests/end_to_end/small_run.h"

using namespace stagecraft;
using namespace stagecraft::test;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

class Workplace {
 public:
  Workplace() {
    const auto text = made_up_text(4000);
    std::ofstream(path() / "text.txt") << std::string(text.begin(), text.end());
    std::ofstream(path() / "run.toml") << R"([model]
family = "padded_lines"
layers = 4
hidden = 32
heads = 4
sequence = 16
[train]
steps = 4
global_batch = 8
micro_batch = 2
[data]
train = ["text.txt"]
validation_fraction = 0.25
)";
  }
  const fs::path& path() const { return folder_.path(); }

  Ended train(const Words& sets) const {
    Words words = {STAGECRAFT_LAUNCH_TRAIN, "run.toml", "--program", STAGECRAFT_EXECUTABLE};
    for (const std::string& set : sets) {
      words.insert(words.end(), {"--set", set});
    }
    return Process(words, path()).wait();
  }

  /// The losses of every step and of the evaluation, in the order of the file.
  std::vector<nlohmann::json> losses(const std::string& run) const {
    std::vector<nlohmann::json> all;
    std::ifstream file(path() / run / "metrics.jsonl");
    for (std::string line; std::getline(file, line);) {
      const nlohmann::json row = nlohmann::json::parse(line);
      all.push_back(row.at(row.contains("loss") ? "losses" : "validation_losses"));
    }
    return all;
  }

 private:
  TemporaryFolder folder_;
};

void check_close(const std::vector<nlohmann::json>& found,
                 const std::vector<nlohmann::json>& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t row = 0; row < expected.size(); ++row) {
    REQUIRE(found[row].size() == 2);
    for (const auto& [name, value] : expected[row].items()) {
      INFO(row << ", " << name);
      CHECK(found[row].at(name).get<double>() == Approx(value.get<double>()).epsilon(1e-4));
    }
  }
}

}  // namespace

TEST_CASE("processes over pipeline 2 x tensor 2 have the losses of one rank") {
  const Workplace workplace;
  const Ended one = workplace.train({"run.directory=one", "run.mode=threads"});
  INFO(one.err);
  REQUIRE(one.status == 0);
  CHECK_THAT(one.out, Catch::Contains("Model     Padded lines: 4 layers"));
  CHECK_THAT(one.out, Catch::Contains(" (next_byte "));
  const auto expected = workplace.losses("one");
  REQUIRE(expected.size() == 5);  // four steps and an evaluation
  if (!is_in_path("mpirun")) {
    WARN("skipped, no MPI");
    return;
  }
  for (const std::string transport : {"window", "mpi"}) {  // tensors are smaller than the slots
    const Ended four =
        workplace.train({"run.directory=" + transport, "run.mode=mpi", "run.transport=" + transport,
                         "parallel.pipeline=2", "parallel.tensor=2"});
    CAPTURE(transport, four.err);
    REQUIRE(four.status == 0);
    check_close(workplace.losses(transport), expected);
  }
}

TEST_CASE("a name that is nearly a family's is refused with that name") {
  const Ended ended = Workplace().train({"model.family=padded_line"});
  CHECK(ended.status == 2);
  CHECK_THAT(ended.err, Catch::Contains("padded_lines"));
  CHECK_THAT(ended.err, Catch::Contains("model.family"));
}
