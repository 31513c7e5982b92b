// launch/build, with stand-ins for the tools that it calls, in a copy of what it reads.
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/end_to_end/process.h"

using namespace stagecraft;
using Catch::Matchers::Contains;
using Catch::Matchers::EndsWith;
namespace fs = std::filesystem;

namespace {

/// A checkout whose tools are stand-ins. They write what they are called with to `calls`.
class Checkout {
 public:
  Checkout() {
    const fs::path scripts = STAGECRAFT_LAUNCH;
    fs::create_directories(path() / "launch");
    for (const char* name : {"build", "packages.txt"}) {
      fs::copy(scripts / name, path() / "launch" / name);
    }
    fs::copy(scripts.parent_path() / "CMakePresets.json", path() / "CMakePresets.json");
    tool("dpkg-query", "printf installed");
    tool("ninja", "echo 'ninja: no work to do.'");
  }
  const fs::path& path() const { return folder_.path(); }

  void tool(const std::string& name, const std::string& body) const {
    fs::create_directories(path() / "bin");
    const fs::path file = path() / "bin" / name;
    std::ofstream(file) << "#!/bin/bash\necho \"" + name + " $*\" >>calls\n" + body + "\n";
    fs::permissions(file, fs::perms::owner_all);
  }
  /// A configuration that finds what is written here.
  void configuration(const std::string& cache) const {
    tool("cmake", "mkdir -p build/release && touch build/release/build.ninja && echo '" + cache +
                      "' >build/release/CMakeCache.txt");
  }
  Ended build() const {
    return Process({"/bin/bash", "-c", "PATH=$PWD/bin:$PATH exec launch/build"}, path()).wait();
  }
  std::string calls() const { return read_file(path() / "calls"); }

 private:
  TemporaryFolder folder_;
};

constexpr const char* kNoFrontend =
    "CUDNN_FRONTEND_INCLUDE_DIR:PATH=CUDNN_FRONTEND_INCLUDE_DIR-NOTFOUND\n"
    "CUDNN_LIBRARY:FILEPATH=/usr/lib/libcudnn.so";

/// The architectures that a host configures for whose nvidia-smi and nvcc do this.
std::string architectures(const std::string& nvidia_smi, const std::string& nvcc) {
  const Checkout checkout;
  checkout.tool("nvidia-smi", nvidia_smi);
  checkout.tool("nvcc", nvcc);
  std::ofstream(checkout.path() / "ask.cmake")
      << "include(" << fs::path(STAGECRAFT_LAUNCH).parent_path().string()
      << "/cmake/GpuArchitectures.cmake)\n"
         "stagecraft_gpu_architectures(found nvcc)\n"
         "message(STATUS \"${found}\")\n";
  const Ended ended =
      Process({"/bin/bash", "-c", "PATH=$PWD/bin:$PATH exec cmake -P ask.cmake"}, checkout.path())
          .wait();
  CAPTURE(ended.err);
  CHECK(ended.status == 0);
  return ended.out;
}

constexpr const char* kKnown = "printf 'compute_75\\ncompute_80\\ncompute_86\\ncompute_90\\n'";

}  // namespace

TEST_CASE("launch/build fetches the headers of cuDNN's frontend into the build folder") {
  const Checkout checkout;
  checkout.configuration(kNoFrontend);
  checkout.tool("python3",
                "[[ $2 == zipfile ]] || exit 0\n"
                "mkdir -p \"${@: -1}/include\"; touch \"${@: -1}/include/cudnn_frontend.h\"");
  const Ended ended = checkout.build();
  CAPTURE(ended.out, ended.err, checkout.calls());
  CHECK(ended.status == 0);
  const std::string folder = (checkout.path() / "build/release/cudnn_frontend").string();
  CHECK_THAT(checkout.calls(), Contains("pip download") && Contains("--dest " + folder) &&
                                   Contains("-DCUDNN_FRONTEND_INCLUDE_DIR=" + folder + "/include"));
  CHECK_THAT(checkout.calls(), !Contains("pip install"));
  CHECK_THAT(ended.out, EndsWith("/build/release/bin/stagecraft\n"));
}

TEST_CASE("without the network launch/build says what it misses, and builds") {
  const Checkout checkout;
  checkout.configuration(kNoFrontend);
  checkout.tool("python3", "[[ $3 == --version ]]");
  const Ended ended = checkout.build();
  CAPTURE(ended.out, ended.err, checkout.calls());
  CHECK(ended.status == 0);
  CHECK_THAT(ended.err, Contains("the headers of cuDNN's frontend") && Contains("cannot be had"));
  CHECK_THAT(checkout.calls(), Contains("pip download") && !Contains("-DCUDNN_FRONTEND"));
  CHECK_THAT(ended.out, EndsWith("/build/release/bin/stagecraft\n"));
}

TEST_CASE("launch/build fetches nothing where there is no cuDNN, or its frontend is there") {
  for (const std::string cache :
       {"CUDNN_LIBRARY:FILEPATH=CUDNN_LIBRARY-NOTFOUND", "STAGECRAFT_CUDA:STRING=auto",
        "CUDNN_FRONTEND_INCLUDE_DIR:PATH=/opt/include\nCUDNN_LIBRARY:FILEPATH=/usr/lib/c.so"}) {
    CAPTURE(cache);
    const Checkout checkout;
    checkout.configuration(cache);
    checkout.tool("python3", "exit 1");
    CHECK(checkout.build().status == 0);
    CHECK_THAT(checkout.calls(), !Contains("python3 -m"));
  }
}

TEST_CASE("a build is for the host's GPUs, and for the A100 and later ones where it has none") {
  const std::string several = "-- 80-real;90\n";
  CHECK(architectures("echo 9.0", kKnown) == "-- 90-real\n");
  CHECK(architectures("printf '9.0\\n8.0\\n9.0\\n'", kKnown) == "-- 80-real;90-real\n");
  CHECK(architectures("echo 'no devices were found'; exit 6", kKnown) == several);
  CHECK(architectures("echo '[N/A]'", kKnown) == several);
  CHECK(architectures("echo 12.0", kKnown) == several);  // newer than the compiler
  CHECK(architectures("echo 7.5", kKnown) == several);   // older than the kernels
  CHECK(architectures("echo 9.0", "exit 1") == several);
}
