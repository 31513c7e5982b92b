#define CATCH_CONFIG_RUNNER
#include "tests/conformance/processes.h"

#include <fmt/core.h>

#include <catch2/catch.hpp>

#include "kernels/backends/make_stream.h"

namespace stagecraft::test {
namespace {

std::shared_ptr<mpi::Runtime>& runtime_slot() {
  static std::shared_ptr<mpi::Runtime> slot;
  return slot;
}

struct Place {
  int rank = 0;
  int count = 1;
};

Place& place() {
  static Place here;
  return here;
}

/// Failures of all ranks: root causes first, then the aborts that they caused.
std::string report_of(const std::vector<std::string>& failures) {
  std::string causes;
  std::string echoes;
  for (std::size_t rank = 0; rank < failures.size(); ++rank) {
    const bool echo = failures[rank].starts_with("aborted: ");
    if (!failures[rank].empty()) {
      (echo ? echoes : causes) += fmt::format("rank {}: {}\n", rank, failures[rank]);
    }
  }
  return causes + echoes;
}

std::string failure_of(const std::function<void()>& function) {
  try {
    function();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

int run_catch(int argc, char** argv) {
  Catch::Session session;
  int result = session.applyCommandLine(argc, argv);
  if (result == 0) {
    if (place().rank != 0) {
      session.configData().outputFilename = "/dev/null";
    }
    result = session.run();
  }
  if (result != 0 && place().rank != 0) {
    fmt::print(stderr, "rank {}: {} assertions failed\n", place().rank, result);
  }
  return result;
}

}  // namespace

const std::shared_ptr<mpi::Runtime>& runtime() { return runtime_slot(); }
int process_rank() { return place().rank; }
int process_count() { return place().count; }

void run_session(const std::string& test, std::optional<int> node,
                 const SessionFunction& function) {
  // The grace period lets every rank print its state before the first one ends all processes.
  Watchdog watchdog(fmt::format("{} in rank {}", test, process_rank()), std::chrono::seconds(90),
                    std::chrono::seconds(2));
  const auto doing = [&](std::string what) { watchdog.doing(process_rank(), std::move(what)); };
  doing("beginning a session");
  const auto session = mpi::make_session(runtime(), node);
  const std::string failure = failure_of([&] { function(*session, doing); });
  doing(failure.empty() ? "returned" : failure);
  const std::string report = report_of(session->exchange(failure));
  if (!report.empty()) {
    throw std::runtime_error(report);
  }
}

void run_processes(const std::string& test, std::optional<int> node,
                   const MemberFunction& function) {
  run_session(test, node, [&](MpiSession& session, const auto& doing) {
    const auto world = session.world();
    const auto stream = make_stream({DeviceKind::cpu, 0}, {.threads = 1});
    Member member{*world, *stream, doing};
    try {
      doing("started");
      function(member);
    } catch (...) {
      world->abort("a failed member");
      throw;
    }
  });
}

int run_tests(int argc, char** argv, const std::function<std::string()>& why_skipped) {
  runtime_slot() = std::make_shared<mpi::Runtime>();
  {
    const auto session = mpi::make_session(runtime(), std::nullopt);
    place() = {.rank = session->rank(), .count = session->size()};
  }
  int result = 0;
  const std::string skipped = why_skipped();
  if (skipped.empty()) {
    result = run_catch(argc, argv);
  } else if (process_rank() == 0) {
    fmt::print("{}\n", skipped);
  }
  runtime_slot().reset();
  return result;
}

}  // namespace stagecraft::test
