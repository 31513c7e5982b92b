#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "tests/rooms/rules.h"
#include "tests/temporary_folder.h"

using namespace stagecraft::test;

namespace {

namespace fs = std::filesystem;

std::string verdict(const std::string& file, const std::string& name, bool quoted = true) {
  return broken_rule({file, 1, name, quoted});
}

/// A copy of all rooms that a test may spoil.
class RoomsCopy {
 public:
  RoomsCopy() {
    for (const char* room :
         {"kernels", "tensor_parallel", "models", "stages", "actors", "launch"}) {
      fs::copy(room, path() / room, fs::copy_options::recursive);
    }
  }
  fs::path path() const { return folder_.path(); }
  void append(const std::string& file, const std::string& text) const {
    std::ofstream(path() / file, std::ios::app) << text;
  }
  std::vector<Violation> violations() const { return violations_in(path()); }

 private:
  stagecraft::TemporaryFolder folder_;
};

}  // namespace

TEST_CASE("all rooms keep the rules") {
  for (const Violation& violation : violations_in(".")) {
    FAIL_CHECK(violation.file << ":" << violation.line << ": " << violation.text);
  }
}

TEST_CASE("in a copy of the rooms, an include that runs back is found") {
  const RoomsCopy copy;
  REQUIRE(copy.violations().empty());
  copy.append("stages/program/instruction.h", "#include \"stages/verify/verify.h\"\n");
  copy.append("kernels/core/tensor.h", "#include \"models/layers/layer.h\"\n");
  const std::vector<Violation> found = copy.violations();
  REQUIRE(found.size() == 2);
  CHECK(found[0].file == "kernels/core/tensor.h");
  CHECK(found[1].file == "stages/program/instruction.h");
  CHECK(found[1].text ==
        "stages/verify/verify.h: includes stages/verify, which comes after stages/program");
}

TEST_CASE("in a copy of the rooms, a source without a place or a declaration is found") {
  const RoomsCopy copy;
  copy.append("stages/loose.h", "#pragma once\n");
  copy.append("launch/report/undeclared.cpp", "void undeclared() {}\n");
  copy.append("kernels/cpu/ops/no_operation.cpp", "void helper() {}\n");
  const std::vector<Violation> found = copy.violations();
  REQUIRE(found.size() == 3);
  CHECK(found[0].file == "kernels/cpu/ops/no_operation.cpp");
  CHECK(found[1].file == "stages/loose.h");
  CHECK(found[1].text == "lies in no sub-room");
  CHECK(found[2].file == "launch/report/undeclared.cpp");
}

TEST_CASE("rules of includes: rooms, sub-rooms and siblings") {
  CHECK(verdict("models/families/gpt.cpp", "kernels/core/tensor.h").empty());
  CHECK(verdict("models/families/gpt.cpp", "models/layers/layer.h").empty());
  CHECK(verdict("stages/plan/plan.cpp", "stages/plan/partition.h").empty());
  CHECK_FALSE(verdict("models/families/gpt.cpp", "stages/plan/plan.h").empty());
  CHECK_FALSE(verdict("models/layers/head.cpp", "models/families/gpt.h").empty());
  CHECK_FALSE(verdict("models/families/gpt.cpp", "layer.h").empty());
  CHECK_FALSE(verdict("models/families/gpt.cpp", "tests/helper.h").empty());
  CHECK_FALSE(verdict("kernels/cpu/ops/a.cpp", "kernels/cuda/ops/a.h").empty());
  CHECK_FALSE(verdict("kernels/cuda/runtime/a.cpp", "kernels/cuda/ops/a.h").empty());
  CHECK_FALSE(verdict("kernels/ops/a.cpp", "kernels/backends/make_stream.h").empty());
  CHECK_FALSE(verdict("tensor_parallel/comm/mpi/a.cpp", "tensor_parallel/comm/local/a.h").empty());
  CHECK(verdict("tensor_parallel/comm/nccl/a.cpp", "kernels/cuda/runtime/native_stream.h").empty());
  CHECK_FALSE(
      verdict("tensor_parallel/comm/nccl/a.cpp", "kernels/cuda/runtime/cuda_stream.h").empty());
  CHECK_FALSE(verdict("stages/execute/a.cpp", "kernels/cuda/runtime/native_stream.h").empty());
}

TEST_CASE("rules of includes: only tables depend on the list of operations") {
  CHECK(verdict("kernels/cpu/ops/op_table.cpp", "kernels/ops/op_table.h").empty());
  CHECK(verdict("kernels/ops/matmul.cpp", "kernels/ops/dispatch.h").empty());
  CHECK_FALSE(verdict("kernels/ops/matmul.cpp", "kernels/ops/op_table.h").empty());
  CHECK_FALSE(verdict("models/layers/mlp.cpp", "kernels/ops/operations.h").empty());
}

TEST_CASE("rules of includes: third parties") {
  CHECK(verdict("kernels/cpu/ops/a.cpp", "dnnl.h", false).empty());
  CHECK_FALSE(verdict("kernels/core/a.cpp", "oneapi/dnnl/dnnl.h", false).empty());
  CHECK_FALSE(verdict("stages/plan/a.cpp", "caf/all.hpp", false).empty());
  CHECK_FALSE(verdict("actors/run/a.cpp", "toml++/toml.h", false).empty());
  CHECK_FALSE(verdict("models/data/a.cpp", "boost/graph/adjacency_list.hpp", false).empty());
  CHECK_FALSE(verdict("stages/plan/a.cpp", "nlohmann/json.hpp", false).empty());
  CHECK_FALSE(verdict("launch/run/a.cpp", "eigen3/Eigen/Core", false).empty());
  CHECK(verdict("launch/run/a.cpp", "sys/ioctl.h", false).empty());
  CHECK(verdict("actors/network/a.cpp", "netinet/tcp.h", false).empty());
  CHECK(verdict("launch/run/a.cpp", "vector", false).empty());
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
