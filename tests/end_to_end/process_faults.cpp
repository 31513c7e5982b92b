#include "tests/end_to_end/process_faults.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "kernels/base/mapped_file.h"
#include "kernels/base/posix_file_system.h"
#include "kernels/base/span.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "models/checkpoint/find_checkpoint.h"
#include "models/checkpoint/safetensors.h"
#include "tensor_parallel/comm/mpi/session.h"
#include "tests/actors/network/strangers.h"
#include "tests/end_to_end/fault_rules.h"
#include "tests/end_to_end/process.h"
#include "tests/end_to_end/run_processes.h"
#include "tests/end_to_end/small_config.h"
#include "tests/end_to_end/socket_table.h"
#include "tests/end_to_end/terminal.h"

namespace stagecraft::test {
namespace {

namespace fs = std::filesystem;

/// Polls `fact` until it is true or `seconds` have passed.
template <typename Fact>
bool becomes_true(double seconds, const Fact& fact) {
  const std::int64_t deadline = now_ns() + static_cast<std::int64_t>(seconds * 1e9);
  while (!fact()) {
    if (now_ns() > deadline) {
      return false;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

/// The line of the first cause, without the table of ranks; all of `err` when it has none.
std::string line_of_cause(const std::string& err) {
  const std::size_t begin = err.find("First cause");
  return begin == std::string::npos ? err : err.substr(begin, err.find('\n', begin) - begin);
}

/// One run in a folder of its own, which also holds the temporary files of its processes.
class Running {
 public:
  explicit Running(const FaultyRun& run) : run_(run), shared_memory_(names_in_folder("/dev/shm")) {
    write_small_run(path(), 1'000'000);
    fs::create_directory(path() / "tmp");
    if (run.fault.kind == FaultKind::disk_full) {
      disk_.emplace(path() / "disk");
    }
    run_.fault.file = path() / "inject";
  }

  FaultOutcome outcome() {
    if (disk_ && !disk_->mounted()) {
      outcome_.not_tried = "no small file system can be mounted here";
      return std::move(outcome_);
    }
    begin_ns_ = now_ns();
    if (kind() == FaultKind::terminal_stopped) {
      terminal_.emplace();
    }
    process_ =
        std::make_unique<Process>(command(), path(), terminal_ ? terminal_->path() : fs::path());
    inject();
    await_end();
    look();
    return std::move(outcome_);
  }

 private:
  const fs::path& path() const { return folder_.path(); }
  fs::path directory() const { return path() / (disk_ ? "disk/run" : "run"); }
  std::string mark() const { return "TMPDIR=" + (path() / "tmp").string(); }
  FaultKind kind() const { return run_.fault.kind; }
  double watchdog_seconds() const {
    if (kind() == FaultKind::strangers) {
      return kStartSeconds;  // the other ranks wait for the late one
    }
    return run_.on_gpus ? kGpuWatchdogSeconds : kWatchdogSeconds;
  }

  std::vector<std::string> command() const {
    const FaultWords& f = run_.fault;
    const MeshShape& mesh = run_.mesh;
    std::vector<std::string> words = {
        "/usr/bin/env", mark(),
        fmt::format("{}={} {} {} {} {}", kFaultVariable,
                    comes_from_outside(f.kind) ? name_of(FaultKind::none) : name_of(f.kind), f.rank,
                    f.step, f.call, f.file)};
    if (kind() == FaultKind::asked) {
      words.emplace_back("OMPI_MCA_ess_base_forward_signals=none");
    }
    if (kind() == FaultKind::closed_streams) {
      words.insert(words.end(), {"/bin/bash", "-c", R"(exec "$@" <&- >&- 2>&-)", "bash"});
    }
    if (kind() == FaultKind::no_memory) {
      words.insert(words.end(), {"/bin/bash", "-c", R"(ulimit -v 150000 && exec "$@")", "bash"});
    }
    words.insert(words.end(),
                 {STAGECRAFT_LAUNCH_TRAIN, "run.toml", "--program", STAGECRAFT_FAULTY});
    std::vector<std::string> sets = {"run.mode=mpi",
                                     "run.directory=" + directory().string(),
                                     fmt::format("run.watchdog_seconds={}", watchdog_seconds()),
                                     fmt::format("parallel.pipeline={}", mesh.pipeline),
                                     fmt::format("parallel.tensor={}", mesh.tensor),
                                     fmt::format("parallel.data={}", mesh.data)};
    if (kind() == FaultKind::stopped_twice) {
      sets.emplace_back("train.global_batch=65536");  // a step takes minutes
    }
    sets.insert(sets.end(), run_.sets.begin(), run_.sets.end());
    if (run_.on_gpus) {
      sets.emplace_back("device.backend=cuda");
      words.emplace_back("--share-gpu");
    }
    for (const std::string& set : sets) {
      words.insert(words.end(), {"--set", set});
    }
    return words;
  }

  std::int64_t steps_done() const {
    std::ifstream file(directory() / "metrics.jsonl");
    std::int64_t lines = 0;
    for (std::string line; std::getline(file, line);) {
      ++lines;
    }
    return lines;
  }

  bool struck_within() const {
    std::error_code absent;
    return fs::exists(run_.fault.file, absent);
  }

  /// Injects a fault from outside; waits for the file of a fault inside a rank.
  void inject() {
    if (kind() == FaultKind::none) {
      return;
    }
    const auto time_has_come = [&] {
      return process_->has_ended() ||
             (comes_from_outside(kind()) ? kind() == FaultKind::stopped_twice
                                               ? fs::exists(directory() / "metrics.jsonl")
                                               : steps_done() >= run_.fault.step
                                         : struck_within());
    };
    if (!becomes_true(kStartSeconds, time_has_come)) {
      outcome_.wrong.emplace_back("the fault did not occur");
      return;
    }
    begin_ns_ = now_ns();
    if (comes_from_outside(kind())) {
      strike_from_outside();
    } else {
      read_strike();
    }
    if (kind() == FaultKind::strangers) {
      attack();
    }
  }

  std::vector<int> rank_processes() const {
    std::vector<int> found = processes_with(mark());
    const auto of_mpirun =
        processes_with(fmt::format("OMPI_COMM_WORLD_SIZE={}", run_.mesh.ranks()));
    std::erase_if(found, [&](int process) { return !std::ranges::count(of_mpirun, process); });
    return found;
  }

  int process_of_rank(int rank) const {
    const auto of_rank = processes_with(fmt::format("OMPI_COMM_WORLD_RANK={}", rank));
    for (const int process : rank_processes()) {
      if (std::ranges::count(of_rank, process) > 0) {
        return process;
      }
    }
    throw std::runtime_error("there is no such rank");
  }

  /// Addresses at which ranks listen for control connections: "ADDRESS:PORT".
  std::vector<std::string> gates() const {
    std::set<std::string> inodes;
    for (const int process : rank_processes()) {
      for (const auto& [file, inode] : sockets_of(process)) {
        inodes.insert(inode);
      }
    }
    std::vector<std::string> open;
    for (const SocketRow& row : tcp_sockets(kListening)) {
      if (has_free_port(row.local) && inodes.contains(row.inode)) {
        open.push_back(readable(row.local));
      }
    }
    return open;
  }

  /// Foreign clients connect to all ranks but one, which then listens too. More connect while the
  /// ranks connect, until no rank listens any more.
  void attack() {
    std::vector<std::string> open;
    const auto others = static_cast<std::size_t>(run_.mesh.ranks()) - 1;
    expect(becomes_true(kStartSeconds, [&] { return (open = gates()).size() >= others; }),
           fmt::format("{} ranks listen, not {}", open.size(), others));
    for (const std::string& listener : open) {
      expect(listener.starts_with("127.0.0.1:"), listener + " is not a loopback address");
    }
    std::vector<Socket> waiting;
    for (int turn = 0; turn < 12; ++turn) {
      for (const std::string& listener : open) {
        std::ranges::move(send_strangers(listener), std::back_inserter(waiting));
      }
    }
    outcome_.strangers = static_cast<std::int64_t>(waiting.size());
    std::ofstream(run_.fault.file + kReleased) << "go on";
    becomes_true(kStartSeconds, [&] {
      std::erase_if(open, [&](const auto& listener) { return !crowd(listener); });
      return process_->has_ended() || steps_done() > 0;
    });
    std::erase_if(open, [&](const auto& listener) { return !crowd(listener); });
    std::ranges::move(gates(), std::back_inserter(open));
    expect(open.empty(), fmt::format("{} listens in the first step", fmt::join(open, ", ")));
  }

  /// Whether a process listens at `listener`.
  bool crowd(const std::string& listener) {
    try {
      outcome_.strangers += static_cast<std::int64_t>(send_strangers(listener).size());
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  void strike_from_outside() {
    switch (kind()) {
      case FaultKind::launcher_killed:
        ::kill(process_->pid(), SIGKILL);
        break;
      case FaultKind::disk_full:
        disk_->fill();
        stop_without_rows();
        break;
      case FaultKind::suspended:
        suspend();
        break;
      case FaultKind::closed_streams:
      case FaultKind::no_memory:
        break;  // since its start
      case FaultKind::terminal_stopped:
        terminal_->stop();
        expect(becomes_true(kStartSeconds, [&] { return steps_done() > run_.fault.step + 100; }),
               "no step is done while the terminal is stopped");
        terminal_->go_on();
        break;
      case FaultKind::second_run:
        check_second_run();
        break;
      case FaultKind::terminated:
        ::kill(process_->pid(), SIGTERM);
        ::kill(process_->pid(), SIGTERM);
        break;
      case FaultKind::hung_up:
        ::kill(process_->pid(), SIGHUP);
        ::kill(process_->pid(), SIGHUP);
        break;
      case FaultKind::asked:
        ::kill(process_->pid(), SIGUSR1);
        break;
      case FaultKind::job_terminated:
        for (const int process : processes_with(mark())) {
          ::kill(process, SIGTERM);
        }
        break;
      case FaultKind::rank_terminated:
        ::kill(process_of_rank(run_.fault.rank), SIGTERM);
        break;
      default:
        ::kill(process_->pid(), SIGINT);
    }
    if (kind() == FaultKind::stopped_twice) {
      becomes_true(kStartSeconds, [&] { return fs::file_size(process_->error_file()) > 0; });
      begin_ns_ = now_ns();
      ::kill(process_->pid(), SIGINT);
    }
  }

  /// The run goes on without rows. A stop then finds that nothing can be saved.
  void stop_without_rows() {
    expect(becomes_true(kStartSeconds,
                        [&] {
                          return read_file(process_->output_file())
                                     .find("has no more rows from here on, and the run goes on") !=
                                 std::string::npos;
                        }),
           "the run has not said that it goes on without rows");
    begin_ns_ = now_ns();
    ::kill(process_->pid(), SIGTERM);
  }

  /// As a container's engine does: all processes, launch/train and mpirun included.
  void suspend() {
    const std::vector<int> all = processes_with(mark());
    for (const int process : all) {
      ::kill(process, SIGSTOP);
    }
    std::this_thread::sleep_for(std::chrono::duration<double>(1.5 * watchdog_seconds()));
    for (const int process : all) {
      ::kill(process, SIGCONT);
    }
  }

  /// The same command: its directory is taken.
  void check_second_run() {
    const Ended second = Process(command(), path()).wait();
    expect(second.status == 2 && second.err.find("is held by the run") != std::string::npos,
           fmt::format("the second run ended with {}: {}", second.status, second.err));
  }

  void read_strike() {
    std::ifstream file(run_.fault.file);
    file >> begin_ns_ >> std::ws;
    std::getline(file, outcome_.position);
  }

  void await_end() {
    const double late = static_cast<double>(now_ns() - begin_ns_) * 1e-9;
    const double allowed = limit_seconds(kind(), watchdog_seconds()) + run_.more_seconds - late;
    const bool ended = becomes_true(allowed, [&] {
      if (terminal_) {
        outcome_.out = terminal_->text();
      }
      for (const int process : rank_processes()) {
        outcome_.most_resident = std::max(outcome_.most_resident, most_resident_bytes(process));
      }
      return process_->has_ended() && processes_with(mark()).empty();
    });
    outcome_.seconds = static_cast<double>(now_ns() - begin_ns_) * 1e-9;
    if (!ended) {
      const auto left = processes_with(mark());
      outcome_.wrong.push_back(
          fmt::format("after {:.1f} s launch/train {}, and there are {} "
                      "processes: {}",
                      outcome_.seconds, process_->has_ended() ? "has ended" : "runs", left.size(),
                      fmt::join(left, " ")));
      outcome_.board = status();
      kill_processes_with(mark());
    }
    const Ended last = process_->wait();
    outcome_.status = last.status;
    outcome_.out = terminal_ ? terminal_->text() : last.out;
    outcome_.err = terminal_ ? outcome_.out : last.err;
  }

  std::string status() const {
    if (!fs::exists(directory() / "progress")) {
      return "";
    }
    const Ended told = Process({STAGECRAFT_FAULTY, "status", directory().string()}, path()).wait();
    return told.status == 0 ? told.out : "status failed: " + told.err;
  }

  void look() {
    if (outcome_.board.empty()) {
      outcome_.board = status();
    }
    look_at_words();
    look_at_board();
    look_at_model();
    look_at_result();
    look_for_leavings();
  }

  void expect(bool fact, std::string otherwise) {
    if (!fact) {
      outcome_.wrong.push_back(std::move(otherwise));
    }
  }

  void look_at_words() {
    if (kind() == FaultKind::launcher_killed) {
      return;  // no message is required
    }
    expect(outcome_.status == owed_status(kind()),
           fmt::format("the status is {}, not {}", outcome_.status, owed_status(kind())));
    const std::string cause = line_of_cause(outcome_.err);
    for (const std::string& word : owed_words(run_.fault, outcome_.position, cause)) {
      expect(cause.find(word) != std::string::npos,
             fmt::format("the cause does not say \"{}\"", word));
    }
  }

  void look_at_board() {
    if (kind() == FaultKind::no_memory || (kind() == FaultKind::missing && run_.fault.rank == 0)) {
      return;  // rank 0 makes the board
    }
    for (int rank = 0; rank < run_.mesh.ranks(); ++rank) {
      expect(outcome_.board.find(fmt::format("\n{:>8}  ", rank)) != std::string::npos,
             fmt::format("the status of the run does not show rank {}", rank));
    }
  }

  /// launch/train takes its status from the result, and writes the result where no rank could.
  void look_at_result() {
    if (kind() == FaultKind::launcher_killed || !fs::exists(directory() / "progress") || disk_) {
      return;
    }
    const fs::path file = directory() / "result.json";
    const std::string result = fs::exists(file) ? read_file(file) : "";
    const char* word = owed_status(kind()) == 1   ? "\"failed\""
                       : owed_status(kind()) == 0 ? "\"finished\""
                                                  : "\"stopped\"";
    expect(result.find(word) != std::string::npos,
           fmt::format("the result is not {}: {}", word, result));
  }

  /// The model must be complete or absent, and present after a run that did all its steps. One that
  /// was stopped has a whole checkpoint.
  void look_at_model() {
    const fs::path model = directory() / "model/model.safetensors";
    if (!fs::exists(model)) {
      expect(!ends_well(kind()) || is_stop(kind()), "there is no model");
      if (is_stop(kind())) {
        look_at_checkpoint();
      }
      if (kind() == FaultKind::write_fails) {
        const auto left = names_in_folder(directory() / "model");
        expect(left.empty(), fmt::format("of the model are left: {}", fmt::join(left, " ")));
      }
      return;
    }
    outcome_.model = read_file(model);
    try {
      const MappedFile file(model, MappedFile::Access::read);
      read_safetensors_layout(model, file.bytes());
      expect(fs::exists(directory() / "model/config.json"), "the model has no config.json");
    } catch (const std::exception& error) {
      outcome_.wrong.push_back(fmt::format("the model is incomplete: {}", error.what()));
    }
  }

  void look_at_checkpoint() {
    PosixFileSystem files;
    try {
      CheckpointReader(files, find_checkpoint(files, directory())).verify();
    } catch (const std::exception& error) {
      outcome_.wrong.push_back(fmt::format("there is no whole checkpoint: {}", error.what()));
    }
  }

  /// Sockets and unnamed windows end with the last process that has them; only files can be left.
  void look_for_leavings() {
    const auto temporary = names_in_folder(path() / "tmp");
    expect(temporary.empty(), fmt::format("files are left: {}", fmt::join(temporary, " ")));
    for (const std::string& name : names_in_folder("/dev/shm")) {
      // Other programs may use shared memory too. Stagecraft's has no name, so leftovers are MPI's.
      const bool of_mpi = name.starts_with("vader") || name.starts_with("ompi");
      expect(!of_mpi || shared_memory_.contains(name), "shared memory is left: " + name);
    }
  }

  FaultyRun run_;
  std::set<std::string> shared_memory_;  // existed before the run
  TemporaryFolder folder_;
  std::optional<SmallDisk> disk_;
  std::optional<Terminal> terminal_;
  std::unique_ptr<Process> process_;
  std::int64_t begin_ns_ = 0;
  FaultOutcome outcome_;
};

}  // namespace

bool skips_processes() {
  const bool has_mpirun = is_in_path("mpirun");
  if (!has_mpirun || !mpi_is_built()) {
    std::printf("skipped, no MPI (%s)\n", has_mpirun ? "the build has none" : "no mpirun in PATH");
  }
  return !has_mpirun || !mpi_is_built();
}

FaultOutcome run_with_fault(const FaultyRun& run) { return Running(run).outcome(); }

std::string describe(const FaultyRun& run, const FaultOutcome& outcome) {
  const FaultWords& f = run.fault;
  return fmt::format(
      "{} rank {} step {} call {} on {} x {} x {} at \"{}\": status {}, {:.1f} s\n"
      "wrong: {}\n--- err\n{}\n--- board\n{}\n",
      name_of(f.kind), f.rank, f.step, f.call, run.mesh.pipeline, run.mesh.tensor, run.mesh.data,
      outcome.position, outcome.status, outcome.seconds, fmt::join(outcome.wrong, "; "),
      outcome.err, outcome.board);
}

}  // namespace stagecraft::test
