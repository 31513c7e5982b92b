// What the system does not grant ends a run before it begins, with the limit and the keys.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "tests/end_to_end/process.h"
#include "tests/end_to_end/small_config.h"

using namespace stagecraft;
using namespace stagecraft::test;

namespace {

using Words = std::vector<std::string>;

bool is_root() { return ::geteuid() == 0; }

/// Runs the program behind `limit`, a shell's ulimit; for root, as a user who has no other process.
class LimitedUser {
 public:
  LimitedUser() {
    write_small_run(folder_.path(), 2);
    ::chmod(folder_.path().c_str(), 0777);
  }

  Ended train(const std::string& limit, Words sets = {}) const {
    const std::string user = std::to_string(20'000 + ::getpid() % 40'000);
    Words words;
    if (is_root()) {  // root is exempt from the limit on processes
      words = {"/usr/bin/setpriv", "--reuid=" + user, "--regid=" + user, "--clear-groups"};
    }
    const std::string run = limit + R"( && exec "$0" train run.toml "$@")";
    words.insert(words.end(), {"/bin/bash", "-c", run, STAGECRAFT_EXECUTABLE});
    sets.insert(sets.end(), {"run.directory=run", "device.threads=2", "parallel.pipeline=4"});
    for (const std::string& set : sets) {
      words.insert(words.end(), {"--set", set});
    }
    return Process(words, folder_.path()).wait();
  }
  bool has_run_directory() const { return std::filesystem::exists(folder_.path() / "run"); }

 private:
  TemporaryFolder folder_;
};

void check_refusal(const LimitedUser& user, const std::string& limit, const std::string& words,
                   const Words& sets = {}) {
  const Ended ended = user.train(limit, sets);
  CAPTURE(limit, ended.err);
  CHECK(ended.status == 2);
  CHECK_THAT(ended.err, Catch::Contains(words));
  CHECK_FALSE(user.has_run_directory());
}

}  // namespace

TEST_CASE("too few processes for the threads of a run: a message, no hang and no signal") {
  if (!is_root() || ::access("/usr/bin/setpriv", X_OK) != 0) {
    WARN("skipped: only root can become a user who has no other process, by setpriv");
    return;
  }
  const LimitedUser user;
  for (const int processes : {1, 2, 3, 5, 8, 13, 18}) {
    check_refusal(user, "ulimit -u " + std::to_string(processes), "ulimit -u");
  }
  const Ended ended = user.train("ulimit -u 30");
  CAPTURE(ended.err);
  CHECK(ended.status == 0);
}

TEST_CASE("too little address space for the stacks of a run, or for its model") {
  const LimitedUser user;
  check_refusal(user, "ulimit -v 150000", "ulimit -v");
  check_refusal(user, "ulimit -v 300000", "ulimit -v");
  check_refusal(user, "ulimit -v 2000000", "ulimit -v", {"model.hidden=1024", "model.layers=12"});
  const Ended ended = user.train("ulimit -v 8000000");
  CAPTURE(ended.err);
  CHECK(ended.status == 0);
}
