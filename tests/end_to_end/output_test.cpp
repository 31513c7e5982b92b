// What a command prints and writes lands where it was asked for and nowhere else, or the command
// fails.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

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
pipeline = 2
[train]
steps = 3
global_batch = 4
micro_batch = 2
[data]
train = ["text.txt"]
validation_fraction = 0
)";

/// A folder with a configuration and its text, in which shell commands run: $0 is the executable,
/// $1 the folder of the scripts.
class Workplace {
 public:
  Workplace() {
    std::ofstream(path() / "run.toml") << kConfig;
    std::ofstream(path() / "text.txt") << std::string(1000, 'a');
  }
  const fs::path& path() const { return folder_.path(); }
  std::string text_of(const std::string& file) const { return read_file(path() / file); }

  Ended shell(const std::string& line) const {
    return Process({"/bin/bash", "-c", line, STAGECRAFT_EXECUTABLE, STAGECRAFT_LAUNCH}, path())
        .wait();
  }
  Ended check_shell(const std::string& line, int status = 0) const {
    Ended ended = shell(line);
    CAPTURE(line, ended.out, ended.err);
    CHECK(ended.status == status);
    return ended;
  }

 private:
  TemporaryFolder folder_;
};

/// A row for each of the three steps, and nothing else.
void check_metrics(const fs::path& file) {
  std::istringstream lines(read_file(file));
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    CAPTURE(line);
    CHECK(line.starts_with("{\"step\": "));
    CHECK(line.ends_with("}"));
  }
  CHECK(count == 3);
}

/// A device of the test's own; false where this user may not make or use one.
bool make_device(const fs::path& path, unsigned minor) {
  constexpr unsigned kMemoryDevices = 1;
  return ::mknod(path.c_str(), S_IFCHR | 0600, ::makedev(kMemoryDevices, minor)) == 0 &&
         std::ofstream(path).is_open();
}

}  // namespace

TEST_CASE("no file of a run takes the number of a stream that is closed") {
  const Workplace workplace;
  int number = 0;
  for (const std::string closed : {">&-", "2>&-", "<&-", "<&- >&- 2>&-"}) {
    CAPTURE(closed);
    const std::string run = "run-" + std::to_string(++number);
    workplace.check_shell("\"$0\" train run.toml --set run.directory=" + run + " " + closed);
    check_metrics(workplace.path() / run / "metrics.jsonl");
    CHECK(workplace.text_of(run + "/config.toml").starts_with("[run]\n"));
  }
}

TEST_CASE("launch/train trains with closed streams") {
  const Workplace workplace;
  int number = 0;
  for (const std::string closed : {">&-", "2>&-", "<&- >&- 2>&-"}) {
    CAPTURE(closed);
    const std::string run = "run-" + std::to_string(++number);
    workplace.check_shell("\"$1/train\" run.toml --program \"$0\" --set run.directory=" + run +
                          " " + closed);
    check_metrics(workplace.path() / run / "metrics.jsonl");
  }
}

TEST_CASE("an output option writes into a device and does not replace it") {
  const Workplace workplace;
  if (!make_device(workplace.path() / "null", 3) || !make_device(workplace.path() / "full", 7)) {
    WARN("skipped: this user may not make devices");
    return;
  }
  for (const std::string option : {"--svg", "--trace", "--text", "--csv", "--csv-comms"}) {
    CAPTURE(option);
    workplace.check_shell("\"$0\" schedule " + option + " null");
    CHECK(fs::is_character_file(workplace.path() / "null"));
    const Ended full = workplace.check_shell("\"$0\" schedule " + option + " full", 1);
    CHECK_THAT(full.err, Catch::Contains("[full]") && Catch::Contains("No space left on device"));
    CHECK(fs::is_character_file(workplace.path() / "full"));
  }
  workplace.check_shell("\"$0\" train run.toml --set run.directory=run --set trace.file=null");
  CHECK(fs::is_character_file(workplace.path() / "null"));
  workplace.check_shell("\"$0\" explain run --svg null");
  CHECK(fs::is_character_file(workplace.path() / "null"));
}

TEST_CASE("an output option writes into a pipe and does not replace it") {
  const Workplace workplace;
  REQUIRE(::mkfifo((workplace.path() / "pipe").c_str(), 0600) == 0);
  workplace.check_shell(
      "timeout 20 cat pipe > received & \"$0\" schedule --text pipe && \"$0\" schedule --text file "
      "&& wait && cmp received file");
  CHECK(fs::is_fifo(workplace.path() / "pipe"));
}

TEST_CASE("a symbolic link that an output option names stays") {
  const Workplace workplace;
  fs::create_directory(workplace.path() / "below");
  fs::create_symlink("below/file", workplace.path() / "link");
  workplace.check_shell("\"$0\" schedule --csv link && \"$0\" schedule --csv plain");
  CHECK(fs::is_symlink(workplace.path() / "link"));
  CHECK(workplace.text_of("below/file") == workplace.text_of("plain"));
}

TEST_CASE("the output - is standard output, and so is a name of it, before the report") {
  const Workplace workplace;
  workplace.check_shell("\"$0\" schedule --csv file > report");
  CHECK(workplace.check_shell("\"$0\" schedule --csv -").out == workplace.text_of("file"));
  const std::string both = workplace.text_of("file") + workplace.text_of("report");
  fs::create_symlink("/proc/self/fd/1", workplace.path() / "stdout");  // as /dev/stdout is
  workplace.check_shell("\"$0\" schedule --csv stdout > regular");
  CHECK(workplace.text_of("regular") == both);
  workplace.check_shell("\"$0\" schedule --csv stdout | cat > piped");
  CHECK(workplace.text_of("piped") == both);
  CHECK_FALSE(fs::exists(workplace.path() / "-"));
}

TEST_CASE("a command whose output cannot be written fails and says so") {
  const Workplace workplace;
  workplace.check_shell("\"$0\" train run.toml --set run.directory=run");
  for (const std::string command :
       {"check run.toml", "check run.toml --resolved", "check run.toml --json",
        "check run.toml --launch", "schedule", "schedule --json", "schedule --csv -",
        "plan run.toml --devices 2 --set machine.preset=h100", "explain run", "status run",
        "doctor", "config-reference", "--help", "--version"}) {
    const Ended ended = workplace.check_shell("\"$0\" " + command + " > /dev/full", 1);
    CAPTURE(command);
    CHECK(ended.err ==
          "[standard output] cannot write: No space left on device; free space there, or write to "
          "another disk\n");
  }
}
