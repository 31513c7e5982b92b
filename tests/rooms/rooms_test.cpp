// The house of rooms: reads every #include and enforces who may see whom. Third-party headers all
// lie in one system folder, so linking cannot.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <string>
#include <vector>

namespace fs = std::filesystem;

namespace {

// Each room sees itself and those to its left.
const std::vector<std::string> kRooms{"kernels", "tensor_parallel", "models",
                                      "stages",  "actors",          "launch"};

// Siblings never see each other.
const std::vector<std::vector<std::string>> kSiblings{
    {"kernels/cpu/", "kernels/cuda/"},
    {"tensor_parallel/comm/solo", "tensor_parallel/comm/local", "tensor_parallel/comm/mpi",
     "tensor_parallel/comm/nccl"}};

// The one header through which a sibling may be seen.
const std::string kNativeStream = "kernels/cuda/runtime/native_stream.h";

struct ThirdParty {
  std::string pattern;              // of the included name
  std::vector<std::string> places;  // prefixes of files that may include it
};

const std::vector<ThirdParty> kThirdParties{
    {"(oneapi/)?dnnl.*", {"kernels/cpu/"}},
    {"cub/.*|cuda.*|cublas.*|cudnn.*|nvrtc.*|nvtx3/.*|cooperative_groups.*", {"kernels/cuda/"}},
    {"mpi\\.h", {"tensor_parallel/comm/mpi"}},
    {"nccl.*", {"tensor_parallel/comm/nccl"}},
    {"nlohmann/.*", {"models/", "launch/"}},
    {"pcre2.*|unicode/.*", {"models/text/"}},
    {"boost/graph/.*", {"stages/"}},
    {"caf/.*", {"actors/"}},
    {"toml.*|CLI/.*|spdlog/.*", {"launch/"}},
    {"boost/(process|stacktrace|asio).*", {"launch/"}},
    {"boost/.*", {"kernels/", "tensor_parallel/", "models/", "stages/", "actors/", "launch/"}},
    {"fmt/.*", {"kernels/", "tensor_parallel/", "models/", "stages/", "actors/", "launch/"}},
    {"omp\\.h", {"kernels/cpu/"}},
    {"immintrin\\.h|x86intrin\\.h", {"kernels/cpu/"}}};

struct Include {
  std::string file;  // relative to the repository
  int line = 0;
  std::string name;
  bool quoted = false;
};

bool starts_with_any(const std::string& text, const std::vector<std::string>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(),
                     [&](const std::string& prefix) { return text.starts_with(prefix); });
}

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

bool is_source(const fs::path& path) {
  const std::string ending = path.extension().string();
  return ending == ".h" || ending == ".cpp" || ending == ".cu" || ending == ".cuh";
}

std::vector<Include> includes_of_rooms() {
  std::vector<Include> all;
  for (const std::string& room : kRooms) {
    for (const auto& entry : fs::recursive_directory_iterator(room)) {
      if (entry.is_regular_file() && is_source(entry.path())) {
        std::ifstream stream(entry.path());
        const std::vector<Include> some = includes_of(stream, entry.path().string());
        all.insert(all.end(), some.begin(), some.end());
      }
    }
  }
  return all;
}

int room_number(const std::string& path) {
  const std::string first = path.substr(0, path.find('/'));
  const auto found = std::find(kRooms.begin(), kRooms.end(), first);
  return found == kRooms.end() ? -1 : static_cast<int>(found - kRooms.begin());
}

/// Empty when the include is allowed.
std::string room_mistake(const Include& include) {
  const int to = room_number(include.name);
  if (to < 0) {
    return "a quoted include names no room; write \"room/path.h\"";
  }
  return to > room_number(include.file) ? "looks into a room to the right" : "";
}

std::string sibling_mistake(const Include& include) {
  const bool nccl = include.file.starts_with("tensor_parallel/comm/nccl");
  if (include.name == kNativeStream && nccl) {
    return "";
  }
  for (const auto& siblings : kSiblings) {
    for (const std::string& own : siblings) {
      for (const std::string& other : siblings) {
        if (own != other && include.file.starts_with(own) && include.name.starts_with(other)) {
          return "looks into a sibling";
        }
      }
    }
  }
  return "";
}

std::string third_party_mistake(const Include& include) {
  for (const ThirdParty& party : kThirdParties) {
    if (std::regex_match(include.name, std::regex(party.pattern))) {
      return starts_with_any(include.file, party.places) ? ""
                                                         : "this third party has no place here";
    }
  }
  const bool has_folder = include.name.find('/') != std::string::npos;
  const bool has_ending = include.name.find(".h") != std::string::npos;
  const bool system = include.name.starts_with("sys/") || include.name.starts_with("linux/") ||
                      include.name.starts_with("netinet/") || include.name.starts_with("arpa/") ||
                      (!has_folder && (!has_ending || fs::exists("/usr/include/" + include.name)));
  return system ? "" : "a third party that the table of rooms does not know";
}

std::string mistake(const Include& include) {
  if (!include.quoted) {
    return third_party_mistake(include);
  }
  const std::string room = room_mistake(include);
  return room.empty() ? sibling_mistake(include) : room;
}

std::string verdict(const std::string& file, const std::string& name, bool quoted = true) {
  return mistake({file, 1, name, quoted});
}

}  // namespace

TEST_CASE("every include of every room is allowed") {
  const std::vector<Include> includes = includes_of_rooms();
  REQUIRE(includes.size() > 100);
  for (const Include& include : includes) {
    const std::string what = mistake(include);
    INFO(include.file << ":" << include.line << ": " << include.name << ": " << what);
    CHECK(what.empty());
  }
}

TEST_CASE("rules of the include test: rooms and siblings") {
  CHECK(verdict("models/families/gpt.cpp", "kernels/core/tensor.h").empty());
  CHECK(verdict("models/families/gpt.cpp", "models/layers/layer.h").empty());
  CHECK_FALSE(verdict("models/families/gpt.cpp", "stages/plan/plan.h").empty());
  CHECK_FALSE(verdict("models/families/gpt.cpp", "layer.h").empty());
  CHECK_FALSE(verdict("models/families/gpt.cpp", "tests/helper.h").empty());
  CHECK_FALSE(verdict("kernels/cpu/a.cpp", "kernels/cuda/a.h").empty());
  CHECK_FALSE(verdict("tensor_parallel/comm/mpi/a.cpp", "tensor_parallel/comm/local_a.h").empty());
  CHECK(verdict("tensor_parallel/comm/nccl/a.cpp", kNativeStream).empty());
}

TEST_CASE("rules of the include test: third parties") {
  CHECK(verdict("kernels/cpu/a.cpp", "dnnl.h", false).empty());
  CHECK_FALSE(verdict("kernels/a.cpp", "oneapi/dnnl/dnnl.h", false).empty());
  CHECK_FALSE(verdict("stages/a.cpp", "caf/all.hpp", false).empty());
  CHECK_FALSE(verdict("actors/a.cpp", "toml++/toml.h", false).empty());
  CHECK_FALSE(verdict("models/a.cpp", "boost/graph/adjacency_list.hpp", false).empty());
  CHECK_FALSE(verdict("stages/a.cpp", "nlohmann/json.hpp", false).empty());
  CHECK_FALSE(verdict("launch/a.cpp", "eigen3/Eigen/Core", false).empty());
  CHECK(verdict("launch/a.cpp", "sys/ioctl.h", false).empty());
  CHECK(verdict("actors/a.cpp", "netinet/tcp.h", false).empty());
  CHECK(verdict("launch/a.cpp", "vector", false).empty());
}

TEST_CASE("an include is found however it is spaced, and comments are none") {
  std::istringstream text("#include <a>\n  #  include \"b/c.h\"  // why\n// #include <d>\n");
  const std::vector<Include> found = includes_of(text, "f");
  REQUIRE(found.size() == 2);
  CHECK(found[0].name == "a");
  CHECK(found[1].name == "b/c.h");
  CHECK(found[1].quoted);
  CHECK(found[1].line == 2);
}
