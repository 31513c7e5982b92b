// What a user reads where NVIDIA's driver is older than this build's CUDA. The driver is
// old_driver.cpp.
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/end_to_end/process.h"
#include "tests/end_to_end/small_config.h"

using namespace stagecraft;

namespace {

Ended run_with_old_driver(const std::vector<std::string>& words,
                          const std::filesystem::path& folder) {
  std::vector<std::string> all = {"/usr/bin/env", "LD_LIBRARY_PATH=" STAGECRAFT_OLD_DRIVER,
                                  STAGECRAFT_EXECUTABLE};
  all.insert(all.end(), words.begin(), words.end());
  return Process(all, folder).wait();
}

}  // namespace

TEST_CASE("a driver that is too old is told with what is needed") {
  const TemporaryFolder folder;
  test::write_small_run(folder.path(), 2);
  const std::string words =
      "the driver of this host is for CUDA 12.0, and this build needs one for CUDA 1";
  for (const char* command : {"check", "train"}) {
    const Ended ended =
        run_with_old_driver({command, "run.toml", "--set", "device.backend=cuda"}, folder.path());
    CAPTURE(command, ended.out, ended.err);
    CHECK(ended.status == 2);
    CHECK_THAT(ended.err, Catch::Contains("no GPU can be used: " + words));
    CHECK_THAT(ended.err, Catch::Contains("device.backend = \"cpu\""));
  }
  const Ended by_itself = run_with_old_driver({"check", "run.toml"}, folder.path());
  CHECK(by_itself.status == 0);
  CHECK_THAT(by_itself.out, Catch::Contains("no GPU: " + words));
  const Ended doctor = run_with_old_driver({"doctor"}, folder.path());
  CHECK(doctor.status == 0);
  CHECK_THAT(doctor.out, Catch::Contains("cannot be used: " + words));
  CHECK_THAT(doctor.out, Catch::Contains("GPUs: install NVIDIA's driver for CUDA 1"));
}
