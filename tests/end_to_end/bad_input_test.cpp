// Mistakes of a user: one message with its location, exit status 2, and nothing left behind.
#include <algorithm>
#include <catch2/catch.hpp>
#include <fstream>
#include <set>

#include "tests/end_to_end/process.h"

using namespace stagecraft;
namespace fs = std::filesystem;

namespace {

constexpr const char* kConfig = R"([model]
family = "gpt"
layers = 2
hidden = 32
heads = 4
sequence = 16

[parallel]
tensor = 1

[train]
steps = 1
global_batch = 4
micro_batch = 2

[data]
train = ["text.txt"]
validation_fraction = 0.25
)";

void write(const fs::path& path, const std::string& contents) { std::ofstream(path) << contents; }

std::set<std::string> names_in(const fs::path& folder) {
  std::set<std::string> names;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    names.insert(fs::relative(entry.path(), folder).string());
  }
  return names;
}

/// A folder with a valid configuration and a valid text. A test breaks one thing at a time.
class Workplace {
 public:
  Workplace() {
    write(path() / "good.toml", kConfig);
    write(path() / "text.txt", std::string(1000, 'a'));
  }
  const fs::path& path() const { return folder_.path(); }

  /// `words` follow the program's name; `environment` has words NAME=VALUE.
  std::string refusal(std::vector<std::string> words, std::vector<std::string> environment = {}) {
    const std::set<std::string> before = names_in(path());
    environment.insert(environment.begin(), "/usr/bin/env");
    environment.emplace_back(STAGECRAFT_EXECUTABLE);
    words.insert(words.begin(), environment.begin(), environment.end());
    const Ended ended = Process(std::move(words), path()).wait();
    CAPTURE(ended.out, ended.err);
    CHECK(ended.status == 2);
    CHECK(names_in(path()) == before);
    CHECK(std::count(ended.err.begin(), ended.err.end(), '\n') == 1);
    return ended.err;
  }
  std::string refusal_of(const std::string& set) {
    return refusal({"train", "good.toml", "--set", set});
  }
  std::string refusal_of_file(const std::string& from, const std::string& to) {
    std::string text = kConfig;
    text.replace(text.find(from), from.size(), to);
    write(path() / "bad.toml", text);
    return refusal({"train", "bad.toml"});
  }

 private:
  TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("mistakes in the file begin with FILE:LINE:COLUMN") {
  Workplace workplace;
  CHECK_THAT(
      workplace.refusal_of_file("layers = 2", "layer = 2"),
      Catch::StartsWith("bad.toml:3:1: unknown key model.layer; the nearest is model.layers"));
  CHECK_THAT(workplace.refusal_of_file("layers = 2", "layers = 2.5"),
             Catch::StartsWith("bad.toml:3:1: model.layers must be an integer"));
  CHECK_THAT(workplace.refusal_of_file("layers = 2", "layers = 0"),
             Catch::StartsWith("bad.toml:3:1: model.layers must be an integer from 1"));
  CHECK_THAT(workplace.refusal_of_file("layers = 2", "layers ="), Catch::StartsWith("bad.toml:3:"));
  CHECK_THAT(workplace.refusal_of_file("[train]", "[trian]"),
             Catch::StartsWith("bad.toml:11:2: unknown table [trian]; the nearest is [train]"));
  CHECK_THAT(workplace.refusal_of_file("\"gpt\"", "\"bert\""),
             Catch::StartsWith("bad.toml:2:1: ") && Catch::Contains("not built yet"));
  CHECK_THAT(workplace.refusal_of_file("steps = 1\n", ""),
             Catch::StartsWith("bad.toml:11:2: train.steps is missing"));
}

TEST_CASE("sizes that do not divide give the locations of all their keys") {
  Workplace workplace;
  CHECK_THAT(workplace.refusal_of_file("heads = 4", "heads = 5"),
             Catch::StartsWith("bad.toml:") && Catch::Contains("bad.toml:4:1") &&
                 Catch::Contains("bad.toml:5:1"));
  CHECK_THAT(workplace.refusal_of_file("tensor = 1", "tensor = 3"),
             Catch::StartsWith("bad.toml:") && Catch::Contains("bad.toml:5:1") &&
                 Catch::Contains("bad.toml:9:1"));
  CHECK_THAT(workplace.refusal_of_file("micro_batch = 2", "micro_batch = 3"),
             Catch::StartsWith("bad.toml:") && Catch::Contains("bad.toml:13:1") &&
                 Catch::Contains("bad.toml:14:1"));
  CHECK_THAT(workplace.refusal_of("parallel.pipeline=3"), Catch::StartsWith("good.toml:3:1: "));
}

TEST_CASE("ranks of several hosts that launch/train has not started are told to use it") {
  Workplace workplace;
  const std::vector<std::string> words = {"train",        "good.toml", "--set",
                                          "run.mode=mpi", "--set",     "parallel.pipeline=2"};
  for (const std::string rank : {"0", "1"}) {
    CHECK_THAT(
        workplace.refusal(words, {"OMPI_COMM_WORLD_RANK=" + rank, "OMPI_COMM_WORLD_SIZE=2",
                                  "OMPI_COMM_WORLD_LOCAL_RANK=0", "OMPI_COMM_WORLD_LOCAL_SIZE=1"}),
        Catch::Contains("a run over several hosts needs its directory before its ranks "
                        "start; run launch/train"));
  }
}

TEST_CASE("text that is missing, empty, unreadable or too short is reported at data.train") {
  Workplace workplace;
  write(workplace.path() / "empty.txt", "");
  write(workplace.path() / "short.txt", "short");
  fs::create_directory(workplace.path() / "folder");
  const std::string begin = "bad.toml:17:1: ";
  for (const std::string file :
       {"missing.txt", "empty.txt", "short.txt", "folder", "/proc/self/mem"}) {
    CHECK_THAT(workplace.refusal_of_file("text.txt", file),
               Catch::StartsWith(begin) && Catch::Contains(file));
  }
  CHECK_THAT(
      workplace.refusal_of_file("validation_fraction = 0.25", "validation = [\"short.txt\"]"),
      Catch::StartsWith("bad.toml:18:1: ") && Catch::Contains("short.txt"));
  CHECK_THAT(workplace.refusal_of("data.validation_fraction=0.001"), Catch::Contains("good.toml:"));
}

TEST_CASE("a run directory that is not empty or not writable is refused") {
  Workplace workplace;
  CHECK_THAT(
      workplace.refusal_of("run.directory=."),
      Catch::StartsWith("--set run.directory=.: ") && Catch::Contains("not an empty folder"));
  CHECK_THAT(workplace.refusal_of("run.directory=/proc/run"),
             Catch::StartsWith("--set run.directory=/proc/run: "));
  CHECK_THAT(workplace.refusal_of("run.directory=text.txt/run"),
             Catch::StartsWith("--set run.directory=text.txt/run: "));
  CHECK_THAT(workplace.refusal_of_file("[model]", "run.directory = \"/proc/run\"\n[model]"),
             Catch::StartsWith("bad.toml:1:5: "));
}

TEST_CASE("a trace file that cannot be written is refused before the run") {
  Workplace workplace;
  CHECK_THAT(workplace.refusal_of("trace.file=/nonexistent/trace.json"),
             Catch::StartsWith("--set trace.file=/nonexistent/trace.json: "));
}

TEST_CASE("a missing or broken model.init_from is refused and nothing is left") {
  Workplace workplace;
  CHECK_THAT(workplace.refusal_of("model.init_from=nowhere"),
             Catch::StartsWith("--set model.init_from=nowhere: ") && Catch::Contains("nowhere"));
  fs::create_directory(workplace.path() / "model");
  write(workplace.path() / "model" / "model.safetensors", "no safetensors");
  CHECK_THAT(workplace.refusal_of_file("heads = 4", "heads = 4\ninit_from = \"model\""),
             Catch::StartsWith("bad.toml:6:1: ") && Catch::Contains("model.safetensors"));
}

TEST_CASE("a configuration that does not exist, and unknown arguments") {
  Workplace workplace;
  CHECK_THAT(workplace.refusal({"train", "missing.toml"}), Catch::StartsWith("missing.toml: "));
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{}, {"trian", "good.toml"}, {"train"}, {"check", "--resolve"}}) {
    const Ended ended = run_stagecraft(words, workplace.path());
    CHECK(ended.status == 2);
    CHECK_FALSE(ended.err.empty());
  }
}

TEST_CASE("check prints plan and verdict and leaves nothing") {
  Workplace workplace;
  const std::set<std::string> before = names_in(workplace.path());
  const Ended plan = run_stagecraft({"check", "good.toml"}, workplace.path());
  CAPTURE(plan.err);
  CHECK(plan.status == 0);
  CHECK_THAT(plan.out, Catch::Contains("Verdict") && Catch::Contains("proven"));
  const Ended resolved = run_stagecraft({"check", "good.toml", "--resolved"}, workplace.path());
  CHECK(resolved.status == 0);
  CHECK_THAT(resolved.out, Catch::Contains("layers = 2  # good.toml:3:1"));
  CHECK(names_in(workplace.path()) == before);
}

TEST_CASE("schedule proves a program and draws it, or says why not") {
  const TemporaryFolder folder;
  const auto schedule = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "schedule");
    return run_stagecraft(words, folder.path());
  };
  const Ended drawn = schedule({"--stages", "2", "--microbatches", "3", "--text", "good.program",
                                "--svg", "good.svg", "--trace", "good.json", "--csv", "good.csv",
                                "--csv-comms", "comms.csv"});
  CAPTURE(drawn.err);
  CHECK(drawn.status == 0);
  CHECK_THAT(drawn.out, Catch::Contains("makespan 12, idle 25.0 %") && Catch::Contains("proven"));
  CHECK(names_in(folder.path()) ==
        std::set<std::string>{"comms.csv", "good.csv", "good.json", "good.program", "good.svg"});
  for (const char* file : {"good.program", "good.csv"}) {
    const Ended again = schedule({"--verify", file, "--json"});
    CHECK(again.status == 0);
    CHECK_THAT(again.out, Catch::Contains("\"proven\": true"));
  }
  // With each transfer alone, neighbours wait for each other.
  CHECK(schedule({"--verify", "comms.csv"}).status == 1);
  write(folder.path() / "crosswise.program",
        "program stages 2 chunks 2 microbatches 1\n"
        "0: 0F0 0RG0 0SA0 0B0 U\n"
        "1: 1RA0 1F0 1B0 1SG0 U\n");
  const Ended refused = schedule({"--verify", "crosswise.program"});
  CHECK(refused.status == 1);
  CHECK_THAT(refused.out, Catch::Contains("not proven") && Catch::Contains("0RG0"));
  write(folder.path() / "wrong.program", "program stages x");
  CHECK_THAT(schedule({"--verify", "wrong.program"}).err,
             Catch::StartsWith("wrong.program:1:16: "));
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--verify", "wrong.program"},
                                             {"--verify", "missing.program"},
                                             {"--schedule", "1b1f"},
                                             {"--stages", "0"},
                                             {"--cost", "F=fast"},
                                             {"--bytes", "limit=little"},
                                             {"--schedule", "auto", "--bytes", "stash=2,limit=1"},
                                             {"--svg", "missing/folder/s.svg"},
                                             {"--stages", "2", "--verify", "good.program"}}) {
    const Ended ended = schedule(words);
    CHECK(ended.status == 2);
    CHECK_FALSE(ended.err.empty());
    CHECK(ended.out.empty());
  }
}

TEST_CASE("--help and --version succeed") {
  const TemporaryFolder folder;
  for (const char* word : {"--help", "--version"}) {
    const Ended ended = run_stagecraft({word}, folder.path());
    CHECK(ended.status == 0);
    CHECK_THAT(ended.out, Catch::Contains("stagecraft"));
  }
}

TEST_CASE("plan and explain refuse bad input and print results for good input") {
  Workplace workplace;
  CHECK_THAT(workplace.refusal({"plan", "good.toml", "--devices", "2"}),
             Catch::Contains("machine.memory_gib is missing"));
  const std::vector<std::string> good = {"plan", "good.toml", "--devices",
                                         "2",    "--set",     "machine.preset=h100"};
  const auto with = [&](const std::string& option, const std::string& value) {
    std::vector<std::string> words = good;
    words.insert(words.end(), {option, value});
    return words;
  };
  for (const char* memory : {"80", "80 GiB", "-1GiB", "0GiB", "nanGiB", "GiB", ""}) {
    CHECK_THAT(workplace.refusal(with("--memory", std::string(memory) + " ")),
               Catch::Contains("as 80GiB"));
  }
  CHECK_THAT(workplace.refusal(with("--set", "machine.preset=h1000")),
             Catch::Contains("the nearest is \"h100\""));
  const Ended planned = run_stagecraft(good, workplace.path());
  CHECK(planned.status == 0);
  CHECK_THAT(planned.out, Catch::Contains("[parallel]\npipeline = ") &&
                              Catch::Contains("micro_batch = ") && Catch::Contains("considered"));
  CHECK(run_stagecraft(with("--memory", "0.01MiB"), workplace.path()).status == 1);
  CHECK_THAT(workplace.refusal({"explain", "runs/none"}), Catch::Contains("no trace_summary.json"));
  for (const char* cost : {"trace.cost=F=x", "trace.cost=F=1:2:3"}) {
    CHECK_THAT(workplace.refusal_of(cost), Catch::Contains("trace.cost"));
  }
}
