// Messages on a host whose GPUs cannot be used although the program was built for them: NVIDIA's
// driver is too old (old_driver.cpp stands in for it), or a library is missing.
#include <catch2/catch.hpp>

#include "tests/end_to_end/process.h"
#include "tests/end_to_end/small_config.h"

using namespace stagecraft;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

Ended run_with_old_driver(const std::string& program, const Words& words, const fs::path& folder) {
  Words all = {"/usr/bin/env", "LD_LIBRARY_PATH=" STAGECRAFT_OLD_DRIVER, program};
  all.insert(all.end(), words.begin(), words.end());
  return Process(all, folder).wait();
}

/// Checks the messages of a run and a launcher that ask for GPUs, of a run with "auto", and of the
/// doctor.
void check_words(const std::string& program, const std::string& fault, const std::string& remedy) {
  const TemporaryFolder folder;
  test::write_small_run(folder.path(), 2);
  for (Words words : {Words{"check", "run.toml", "--launch"}, Words{"train", "run.toml"}}) {
    words.insert(words.end(), {"--set", "device.backend=cuda"});
    const Ended ended = run_with_old_driver(program, words, folder.path());
    CAPTURE(words, ended.out, ended.err);
    CHECK(ended.status == 2);
    CHECK_THAT(ended.err, Catch::Contains("no GPU can be used: ") && Catch::Contains(fault) &&
                              Catch::Contains("stagecraft doctor") &&
                              Catch::Contains("device.backend = \"cpu\""));
  }
  const Ended by_itself = run_with_old_driver(program, {"train", "run.toml"}, folder.path());
  CHECK(by_itself.status == 0);
  CHECK_THAT(by_itself.out, Catch::Contains("no GPU: ") && Catch::Contains(fault));
  const Ended doctor = run_with_old_driver(program, {"doctor"}, folder.path());
  CHECK(doctor.status == 0);
  CHECK_THAT(doctor.out, Catch::Contains("cannot be used: ") && Catch::Contains(fault));
  CHECK_THAT(doctor.out, Catch::Contains("GPUs: " + remedy));
}

}  // namespace

TEST_CASE("the message for a driver that is too old names the needed one") {
  check_words(STAGECRAFT_EXECUTABLE,
              "the driver of this host is for CUDA 12.0, and this build needs one for CUDA 1",
              "install NVIDIA's driver for CUDA 1");
}

TEST_CASE("the message for a module that cannot be loaded has the loader's reason and the remedy") {
  const TemporaryFolder folder;
  fs::create_directory(folder.path() / "bin");
  const std::string program = (folder.path() / "bin/stagecraft").string();
  fs::copy_file(STAGECRAFT_EXECUTABLE, program);  // without lib/ beside bin/
  check_words(program, "libstagecraft_cuda.so cannot be loaded: ",
              "put the folder of the library that is named on LD_LIBRARY_PATH");
  const std::string words = run_with_old_driver(program, {"doctor"}, folder.path()).out;
  CHECK_THAT(words, Catch::Contains("GPUs of several processes: ") &&
                        (Catch::Contains("libnccl.so.2") || Catch::Contains("without NCCL")) &&
                        Catch::Contains("run.mode = \"threads\""));
}
