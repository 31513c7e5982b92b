#include "launch/artifacts/claim_record.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <map>
#include <optional>
#include <random>
#include <sstream>

#include "stages/board/progress_slot.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

/// The first line of a file; "" where there is none.
std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string this_boot() { return first_line("/proc/sys/kernel/random/boot_id"); }

/// When the process started, in ticks since the boot; empty if it is gone, or only its status is
/// left. The format is "PID (NAME) STATE ...", and the 20th word from STATE on is the time.
std::optional<std::int64_t> start_of(int process) {
  const std::string line = first_line(fmt::format("/proc/{}/stat", process));
  std::istringstream words(line.substr(std::min(line.size(), line.rfind(')') + 1)));
  std::string state;
  words >> state;
  constexpr int kBetween = 18;
  std::string word;
  for (int i = 0; i < kBetween; ++i) {
    words >> word;
  }
  std::int64_t start = 0;
  return words >> start && state != "Z" && state != "X" ? std::optional(start) : std::nullopt;
}

/// 0 for what is no number.
std::int64_t number_from(const std::string& text) {
  std::int64_t number = 0;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

std::string new_token() {
  std::random_device device;
  return fmt::format("{:08x}{:08x}", device(), device());
}

ClaimRecord claim_record(std::string_view run, int process, int folders) {
  return {.run = std::string(run),
          .token = new_token(),
          .host = host_name(),
          .boot = this_boot(),
          .process = process,
          .started = start_of(process).value_or(0),
          .folders = folders};
}

std::string to_string(const ClaimRecord& record) {
  return fmt::format("run {}\ntoken {}\nhost {}\nboot {}\nprocess {}\nstarted {}\nfolders {}\n",
                     record.run, record.token, record.host, record.boot, record.process,
                     record.started, record.folders);
}

bool process_lives(const ClaimRecord& record) {
  return record.host == host_name() && record.boot == this_boot() &&
         start_of(record.process) == record.started;
}

fs::path claim_file(const fs::path& folder) { return folder / "claim"; }

ClaimRecord read_claim(const fs::path& folder) {
  std::map<std::string, std::string> values;
  std::ifstream file(claim_file(folder));
  for (std::string line; std::getline(file, line);) {
    const std::size_t end = std::min(line.find(' '), line.size());
    values[line.substr(0, end)] = line.substr(std::min(end + 1, line.size()));
  }
  return {.run = values["run"],
          .token = values["token"],
          .host = values["host"],
          .boot = values["boot"],
          .process = static_cast<int>(number_from(values["process"])),
          .started = number_from(values["started"]),
          .folders = static_cast<int>(number_from(values["folders"]))};
}

}  // namespace stagecraft
