#include "launch/commands/checkpoint_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "kernels/base/error.h"
#include "kernels/base/file.h"
#include "kernels/base/posix_file_system.h"
#include "kernels/base/span.h"
#include "launch/artifacts/output.h"
#include "launch/config/config_file.h"
#include "launch/format/print.h"
#include "launch/report/checkpoint_text.h"
#include "launch/setup/manifest_model.h"
#include "launch/setup/named_checkpoints.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "models/checkpoint/export_model.h"
#include "models/checkpoint/find_checkpoint.h"

namespace stagecraft {
namespace fs = std::filesystem;
namespace {

/// The checkpoint that the options name. A name that stands for none is a user's mistake.
fs::path named_checkpoint(FileSystem& files, const CheckpointOptions& options) {
  try {
    return find_checkpoint(files, named_checkpoints(files, options.path), options.step);
  } catch (const Error& error) {
    throw BadInput(error.what());
  }
}

/// What to verify: damaged checkpoints are not passed over.
std::vector<fs::path> named_folders(FileSystem& files, const CheckpointOptions& options) {
  if (is_checkpoint(files, options.path)) {
    return {options.path};
  }
  const fs::path directory = checkpoint_directory(files, named_checkpoints(files, options.path));
  std::vector<fs::path> folders;
  for (const std::int64_t step : checkpoint_steps(files, directory)) {
    if (options.step == 0 || options.step == step) {
      folders.push_back(checkpoint_folder(directory, step));
    }
  }
  if (folders.empty()) {
    throw BadInput(fmt::format("[{}] holds no checkpoint{}", directory.string(),
                               options.step == 0 ? "" : fmt::format(" of step {}", options.step)));
  }
  return options.all ? folders : std::vector{folders.back()};
}

/// Shows on a terminal that reading goes on.
class ReadingLine {
 public:
  explicit ReadingLine(fs::path folder)
      : folder_(std::move(folder)), shown_(::isatty(STDERR_FILENO) == 1) {}
  ~ReadingLine() {
    if (shown_) {
      print_or_drop(stderr, "\r\x1b[K");
    }
  }
  ReadingLine(const ReadingLine&) = delete;
  ReadingLine& operator=(const ReadingLine&) = delete;

  void update() {
    constexpr std::int64_t kPause_ns = 200'000'000;
    if (shown_ && now_ns() - last_ns_ > kPause_ns) {
      last_ns_ = now_ns();
      print_or_drop(stderr, fmt::format("\r\x1b[Kreading {}, {:.0f} s", folder_.string(),
                                        static_cast<double>(last_ns_ - begin_ns_) * 1e-9));
    }
  }

 private:
  fs::path folder_;
  bool shown_;
  std::int64_t begin_ns_ = now_ns();
  std::int64_t last_ns_ = 0;
};

/// Why the checkpoint is damaged; "" if it is whole.
std::string fault_of(FileSystem& files, const fs::path& folder) {
  ReadingLine line(folder);
  try {
    CheckpointReader(files, folder).verify([&] { line.update(); });
    return "";
  } catch (const Error& error) {
    return error.what();
  }
}

fs::path model_folder_of(FileSystem& files, const CheckpointOptions& options, std::int64_t step) {
  if (!options.out.empty()) {
    return options.out;
  }
  const fs::path beside =
      is_checkpoint(files, options.path) ? directory_of(options.path) : options.path;
  return beside / fmt::format("model-step-{}", step);
}

}  // namespace

int inspect_checkpoint(const CheckpointOptions& options) {
  PosixFileSystem files;
  const fs::path folder = named_checkpoint(files, options);
  print_output(checkpoint_text(read_manifest(files, folder), folder));
  return 0;
}

int verify_checkpoints(const CheckpointOptions& options) {
  PosixFileSystem files;
  int damaged = 0;
  for (const fs::path& folder : named_folders(files, options)) {
    const std::string fault = fault_of(files, folder);
    damaged += fault.empty() ? 0 : 1;
    print_output(fmt::format("{}: {}\n", folder.string(), fault.empty() ? "whole" : "damaged"));
    if (!fault.empty()) {
      print_or_drop(stderr, fault + "\n");
    }
  }
  return damaged == 0 ? 0 : 1;
}

int export_checkpoint(const CheckpointOptions& options) {
  PosixFileSystem files;
  const CheckpointReader reader(files, named_checkpoint(files, options));
  const fs::path out = model_folder_of(files, options, reader.manifest().step);
  if (files.exists(out)) {
    throw BadInput(
        fmt::format("{} is there already; name another folder with --out", out.string()));
  }
  export_model(files, reader, manifest_model(reader.manifest()), out);
  print_output(
      fmt::format("model of step {} written to {}\n", reader.manifest().step, out.string()));
  return 0;
}

}  // namespace stagecraft
