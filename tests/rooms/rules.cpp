#include "tests/rooms/rules.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>

namespace stagecraft::test {
namespace {

namespace fs = std::filesystem;

/// The sub-rooms of a folder, in order: each includes itself and those before it. Names that one
/// entry joins by a space are siblings, which do not include each other.
using Chain = std::vector<std::string>;

const std::vector<std::string> kRooms{"kernels", "tensor_parallel", "models",
                                      "stages",  "actors",          "launch"};

const std::map<std::string, Chain> kChains{
    {"", kRooms},
    {"kernels/", {"base", "core", "ops", "cpu cuda", "backends"}},
    {"kernels/cpu/", {"runtime", "primitives", "ops"}},
    {"kernels/cuda/", {"runtime", "primitives", "ops", "module"}},
    {"tensor_parallel/", {"sharding", "comm", "gradients", "layers"}},
    {"tensor_parallel/comm/", {"contract", "solo local mpi nccl"}},
    {"models/", {"parameters", "optim", "data", "layers", "families", "checkpoint"}},
    {"stages/",
     {"program", "schedules", "verify", "predict", "plan", "board", "channels", "execute",
      "explain"}},
    {"actors/", {"protocol", "network", "failure", "stage", "driver", "run"}},
    {"launch/", {"format", "config", "artifacts", "setup", "report", "run", "commands"}}};

/// The one header through which tensor_parallel/comm/nccl sees a backend.
constexpr const char* kNativeStream = "kernels/cuda/runtime/native_stream.h";

/// Headers that change with every new operation, and the files that may include them: a new
/// operation recompiles these and its own files.
const std::map<std::string, std::set<std::string>> kListUsers{
    {"kernels/ops/operations.h", {"kernels/ops/op_table.h"}},
    {"kernels/ops/op_table.h",
     {"kernels/ops/dispatch.cpp", "kernels/cpu/ops/op_table.cpp",
      "kernels/cuda/ops/op_table.cpp"}}};

struct ThirdParty {
  std::string pattern;              // of the included name
  std::vector<std::string> places;  // prefixes of files that may include it
};

const std::vector<ThirdParty> kThirdParties{
    {"(oneapi/)?dnnl.*", {"kernels/cpu/"}},
    {"cub/.*|cuda.*|cublas.*|cudnn.*|nvrtc.*|nvtx3/.*|cooperative_groups.*", {"kernels/cuda/"}},
    {"mpi\\.h", {"tensor_parallel/comm/mpi/"}},
    {"nccl.*", {"tensor_parallel/comm/nccl/"}},
    {"nlohmann/.*", {"models/", "launch/"}},
    {"xxh.*", {"models/"}},
    {"pcre2.*|unicode/.*", {"models/data/"}},
    {"boost/graph/.*", {"stages/"}},
    {"caf/.*", {"actors/"}},
    {"toml.*|CLI/.*|spdlog/.*", {"launch/"}},
    {"boost/(process|stacktrace|asio).*", {"launch/"}},
    {"boost/.*", {"kernels/", "tensor_parallel/", "models/", "stages/", "actors/", "launch/"}},
    {"fmt/.*", {"kernels/", "tensor_parallel/", "models/", "stages/", "actors/", "launch/"}},
    {"omp\\.h", {"kernels/cpu/"}},
    {"immintrin\\.h|x86intrin\\.h", {"kernels/cpu/"}}};

bool is_source(const fs::path& path) {
  const std::string ending = path.extension().string();
  return ending == ".h" || ending == ".cpp" || ending == ".cu" || ending == ".cuh";
}

/// Where a path stands in a chain.
struct Position {
  std::size_t at = 0;
  std::string name;
};

std::optional<Position> position_in(const Chain& chain, const std::string& path,
                                    const std::string& folder) {
  const std::string rest = path.substr(folder.size());
  const std::string name = rest.substr(0, rest.find('/'));
  for (std::size_t at = 0; at < chain.size(); ++at) {
    std::istringstream siblings(chain[at]);
    for (std::string sibling; siblings >> sibling;) {
      if (sibling == name && rest != name) {
        return Position{at, name};
      }
    }
  }
  return {};
}

std::string broken_chain(const Include& include) {
  const bool nccl = include.file.starts_with("tensor_parallel/comm/nccl/");
  if (!position_in(kRooms, include.name, "")) {
    return "a quoted include names no room; write \"room/sub-room/file.h\"";
  }
  if (include.name.starts_with("kernels/cuda/") && !include.file.starts_with("kernels/") &&
      !(nccl && include.name == kNativeStream)) {
    return "a backend is seen by its own room alone";
  }
  if (const auto list = kListUsers.find(include.name);
      list != kListUsers.end() && !list->second.contains(include.file)) {
    return "only tables and dispatch.cpp depend on the list of operations";
  }
  for (const auto& [folder, chain] : kChains) {
    if (!include.file.starts_with(folder) || !include.name.starts_with(folder)) {
      continue;
    }
    const auto from = position_in(chain, include.file, folder);
    const auto to = position_in(chain, include.name, folder);
    if (from && to && to->at > from->at) {
      return "includes " + folder + to->name + ", which comes after " + folder + from->name;
    }
    if (from && to && to->at == from->at && to->name != from->name) {
      return "includes its sibling " + folder + to->name;
    }
  }
  return "";
}

std::string misplaced_third_party(const Include& include) {
  for (const ThirdParty& party : kThirdParties) {
    if (std::regex_match(include.name, std::regex(party.pattern))) {
      const bool allowed =
          std::any_of(party.places.begin(), party.places.end(),
                      [&](const std::string& place) { return include.file.starts_with(place); });
      return allowed ? "" : "this third party has no place here";
    }
  }
  const bool has_folder = include.name.find('/') != std::string::npos;
  const bool has_ending = include.name.find(".h") != std::string::npos;
  const bool system = include.name.starts_with("sys/") || include.name.starts_with("linux/") ||
                      include.name.starts_with("netinet/") || include.name.starts_with("arpa/") ||
                      (!has_folder && (!has_ending || fs::exists("/usr/include/" + include.name)));
  return system ? "" : "a third party that the table of rooms does not know";
}

std::string text_of(const fs::path& path) {
  std::ifstream stream(path);
  return {std::istreambuf_iterator<char>(stream), {}};
}

/// The names that the operation list declares.
std::vector<std::string> operations_in(const fs::path& root) {
  static const std::regex kEntry(R"(\n  X\((\w+), \w+\))");
  const std::string list = text_of(root / "kernels/ops/operations.h");
  std::vector<std::string> names;
  for (std::sregex_iterator entry(list.begin(), list.end(), kEntry), end; entry != end; ++entry) {
    names.push_back((*entry)[1]);
  }
  return names;
}

/// Every file of a folder with a chain lies in one of its sub-rooms.
bool is_housed(const std::string& file) {
  return std::all_of(kChains.begin(), kChains.end(), [&](const auto& entry) {
    return !file.starts_with(entry.first) || position_in(entry.second, file, entry.first);
  });
}

/// "a/no_b.cpp" stands in for "a/b.cpp" and has its header.
bool has_own_header(const fs::path& root, const fs::path& file) {
  std::string stem = file.stem().string();
  for (const std::string& name : {stem, stem.starts_with("no_") ? stem.substr(3) : stem}) {
    for (const char* ending : {".h", ".cuh"}) {
      const fs::path header = file.parent_path() / (name + ending);
      if (fs::exists(root / header) &&
          text_of(root / file).find("#include \"" + header.string() + "\"") != std::string::npos) {
        return true;
      }
    }
  }
  return false;
}

bool is_declared(const fs::path& root, const fs::path& file,
                 const std::vector<std::string>& operations) {
  const std::string text = text_of(root / file);
  const bool backend = file.string().starts_with("kernels/c");
  return has_own_header(root, file) || text.find("\nint main(") != std::string::npos ||
         (backend && std::any_of(operations.begin(), operations.end(), [&](const auto& name) {
            return text.find("\nvoid " + name + "(Stream& ") != std::string::npos;
          }));
}

std::vector<std::string> sources_in(const fs::path& root, const std::string& room) {
  std::vector<std::string> files;
  if (!fs::is_directory(root / room)) {
    throw std::runtime_error("there is no room " + (root / room).string());
  }
  for (const auto& entry : fs::recursive_directory_iterator(root / room)) {
    if (entry.is_regular_file() && is_source(entry.path())) {
      files.push_back(fs::relative(entry.path(), root).string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

std::vector<Include> includes_of(std::istream& stream, const std::string& file) {
  static const std::regex kInclude(R"(^\s*#\s*include\s*([<"])([^>"]+)[>"].*)");
  std::vector<Include> includes;
  std::smatch match;
  int number = 0;
  for (std::string line; std::getline(stream, line);) {
    ++number;
    if (std::regex_match(line, match, kInclude)) {
      includes.push_back({file, number, match[2], match[1] == "\""});
    }
  }
  return includes;
}

std::string broken_rule(const Include& include) {
  return include.quoted ? broken_chain(include) : misplaced_third_party(include);
}

std::vector<Violation> violations_in(const fs::path& root) {
  const std::vector<std::string> operations = operations_in(root);
  std::vector<Violation> found;
  for (const std::string& room : kRooms) {
    for (const std::string& file : sources_in(root, room)) {
      std::ifstream stream(root / file);
      for (const Include& include : includes_of(stream, file)) {
        if (const std::string rule = broken_rule(include); !rule.empty()) {
          found.push_back({file, include.line, include.name + ": " + rule});
        }
      }
      if (!is_housed(file)) {
        found.push_back({file, 0, "lies in no sub-room"});
      }
      const bool source = file.ends_with(".cpp") || file.ends_with(".cu");
      if (source && !is_declared(root, file, operations)) {
        found.push_back({file, 0, "has no header of its own and defines no listed operation"});
      }
    }
  }
  return found;
}

}  // namespace stagecraft::test
