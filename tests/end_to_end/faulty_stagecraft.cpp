// The program with the fault that STAGECRAFT_TEST_FAULT describes (fault_words.h).
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <sstream>
#include <thread>

#include "actors/protocol/run_config.h"
#include "kernels/base/error.h"
#include "kernels/base/span.h"
#include "launch/commands/command_line.h"
#include "launch/setup/mpi_environment.h"
#include "stages/channels/pass.h"
#include "tests/end_to_end/control_sockets.h"
#include "tests/end_to_end/crash_points.h"
#include "tests/end_to_end/fault_words.h"
#include "tests/end_to_end/faulty_work.h"
#include "tests/kernels/base/observed_file_system.h"

namespace stagecraft::test {
namespace {

FaultWords words_from_environment() {
  FaultWords words;
  const char* text = std::getenv(kFaultVariable);
  if (text == nullptr) {
    return words;
  }
  std::istringstream in(text);
  std::string kind;
  in >> kind >> words.rank >> words.step >> words.call >> words.file;
  const auto* found = std::find(kFaultNames.begin(), kFaultNames.end(), kind);
  require(!in.fail() && found != kFaultNames.end(), kFaultVariable,
          "\"{}\" is not KIND RANK STEP CALL FILE", text);
  words.kind = static_cast<FaultKind>(found - kFaultNames.begin());
  // A run that starts again has had its fault.
  if (std::filesystem::exists(words.file)) {
    words.kind = FaultKind::none;
  }
  return words;
}

struct CrashWords {
  int rank = 0;
  int call = 0;
  std::string file;
};

std::optional<CrashWords> crash_from_environment() {
  const char* text = std::getenv(kCrashVariable);
  if (text == nullptr) {
    return {};
  }
  CrashWords words;
  std::istringstream(text) >> words.rank >> words.call >> words.file;
  return words;
}

/// The location of a call as the progress board writes it.
std::string place_of_call(const Pass& pass, const Instruction& at) {
  if (at == kAtBegin) {
    return fmt::format("beginning step {}", pass.step);
  }
  return at == kAtNorm ? fmt::format("step {}, adding up losses and gradient norm", pass.step)
                       : fmt::format("step {}, instruction {}", pass.step, to_string(at));
}

/// The file is written atomically: its reader does not wait for this process.
void write_strike(const std::string& file, const std::string& position) {
  std::ofstream(file + ".tmp") << now_ns() << ' ' << position;
  std::rename((file + ".tmp").c_str(), file.c_str());
}

[[noreturn]] void wait_for_ever() {
  while (true) {
    ::pause();
  }
}

void befall(FaultKind kind) {
  switch (kind) {
    case FaultKind::throws:
      throw Error("fault", "the device is on fire");
    case FaultKind::hangs:
      wait_for_ever();
    case FaultKind::killed:
      ::kill(::getpid(), SIGKILL);
      wait_for_ever();
    case FaultKind::frozen:
      ::raise(SIGSTOP);  // to this thread, which stops here
      return;
    case FaultKind::mpirun_killed:
      ::kill(::getppid(), SIGKILL);
      return;
    case FaultKind::disconnected:
      shut_down_control_sockets();
      return;
    default:
      return;
  }
}

/// Counts one rank's calls, and injects the fault at one of them.
class Striker {
 public:
  explicit Striker(FaultWords words) : words_(std::move(words)) {}

  /// True once, at the call of the fault.
  bool due(const Pass& pass) {
    if (struck_ || pass.kind != PassKind::train || pass.step < words_.step ||
        (pass.step == words_.step && calls_++ < words_.call)) {
      return false;
    }
    return struck_ = true;
  }
  void inject(const Pass& pass, const Instruction& at) {
    if (due(pass)) {
      write_strike(words_.file, place_of_call(pass, at));
      befall(words_.kind);
    }
  }
  int copies(const Envelope& envelope) {
    if (!due(envelope.pass)) {
      return 1;
    }
    write_strike(words_.file, fmt::format("step {}, {}, micro-batch {}", envelope.pass.step,
                                          to_string(envelope.edge), envelope.microbatch));
    return words_.kind == FaultKind::drops ? 0 : 2;
  }

 private:
  FaultWords words_;
  int calls_ = 0;
  bool struck_ = false;
};

void wait_before_gate(const FaultWords& words, int rank) {
  if (rank != words.rank) {
    return;
  }
  write_strike(words.file, "before it listens");
  while (!std::filesystem::exists(words.file + kReleased)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

/// Kills this process when the model's file is begun or complete.
void kill_at_writing(const FaultWords& words, const std::filesystem::path& folder) {
  std::thread([=] {
    const std::filesystem::path weights = folder / "model.safetensors";
    while (!std::filesystem::exists(weights.string() + ".unfinished") &&
           !std::filesystem::exists(weights)) {
      std::this_thread::yield();
    }
    write_strike(words.file, "writing the model");
    befall(FaultKind::killed);
  }).detach();
}

/// Fails write `words.call` of the model's files, counted from 0 in this process.
std::shared_ptr<FileSystem> full_disk(const FaultWords& words, std::shared_ptr<FileSystem> files) {
  return std::make_shared<ObservedFileSystem>(
      std::move(files), [words, writes = 0](const FileCall& call) mutable {
        const bool of_model = call.path.parent_path().filename() == "model";
        if (call.kind == FileCallKind::write && of_model && writes++ == words.call) {
          write_strike(words.file, "writing the model");
          fail_call(call, ENOSPC);
        }
      });
}

/// Takes half a second for each of the first writes of the model's files: each is progress.
std::shared_ptr<FileSystem> slow_disk(const FaultWords& words, std::shared_ptr<FileSystem> files) {
  constexpr int kSlowWrites = 10;  // longer than the watchdog's time
  return std::make_shared<ObservedFileSystem>(
      std::move(files), [words, writes = 0](const FileCall& call) mutable {
        const bool of_model = call.path.parent_path().filename() == "model";
        if (call.kind == FileCallKind::write && of_model && writes++ < kSlowWrites) {
          write_strike(words.file, "writing the model");
          std::this_thread::sleep_for(std::chrono::milliseconds(500));  // the fault itself
        }
      });
}

/// Kills this process before one of its calls for a file of the checkpoints (crash_points.h).
std::shared_ptr<FileSystem> crashing_disk(const CrashWords& words,
                                          std::shared_ptr<FileSystem> files) {
  return std::make_shared<ObservedFileSystem>(
      std::move(files), [words, calls = 0](const FileCall& call) mutable {
        if (call.path.string().find("/checkpoints") == std::string::npos) {
          return;
        }
        if (calls++ == words.call) {
          befall(FaultKind::killed);
        }
        std::ofstream(words.file) << calls;
      });
}

void adjust(RunConfig& config, const FaultWords& words) {
  const std::optional<CrashWords> crash = crash_from_environment();
  if (crash && (!mpi_environment() || mpi_environment()->rank == crash->rank)) {
    config.files = crashing_disk(*crash, config.files);
  }
  if (words.kind == FaultKind::none || words.kind == FaultKind::late) {
    return;
  }
  const bool fails = words.kind == FaultKind::write_fails;
  if (fails || words.kind == FaultKind::writes_slowly) {
    if (mpi_environment() && mpi_environment()->rank == words.rank) {
      config.files = fails ? full_disk(words, config.files) : slow_disk(words, config.files);
    }
    return;
  }
  if (words.kind == FaultKind::killed_writing) {
    if (mpi_environment() && mpi_environment()->rank == words.rank) {
      kill_at_writing(words, config.model_folder);
    }
    return;
  }
  if (words.kind == FaultKind::strangers) {
    config.before_listen = [words](int rank) { wait_before_gate(words, rank); };
    return;
  }
  const auto striker = std::make_shared<Striker>(words);
  if (words.kind == FaultKind::drops || words.kind == FaultKind::doubles) {
    config.envelope_copies = [=](int rank, const Envelope& envelope) {
      return rank == words.rank ? striker->copies(envelope) : 1;
    };
    return;
  }
  config.wrap_work = [=](int rank, std::unique_ptr<StageWork> real) -> std::unique_ptr<StageWork> {
    if (rank != words.rank) {
      return real;
    }
    return std::make_unique<FaultyWork>(
        std::move(real),
        [=](const Pass& pass, const Instruction& at) { striker->inject(pass, at); });
  };
}

/// Faults that occur before the program begins.
void befall_start(const FaultWords& words) {
  const auto me = mpi_environment();
  if (!me || me->rank != words.rank) {
    return;
  }
  if (words.kind == FaultKind::late) {
    write_strike(words.file, "late");
    std::this_thread::sleep_for(std::chrono::seconds(2));  // the fault itself
  }
  if (words.kind == FaultKind::missing) {
    write_strike(words.file, "missing");
    wait_for_ever();
  }
}

}  // namespace
}  // namespace stagecraft::test

int main(int argc, char** argv) {
  using namespace stagecraft::test;
  const FaultWords words = words_from_environment();
  befall_start(words);
  return stagecraft::run_command_line(
      argc, argv, [&](stagecraft::RunConfig& config) { adjust(config, words); });
}
