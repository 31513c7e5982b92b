// Members of a group under test, one process each: a program that mpirun starts.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tensor_parallel/comm/mpi/sessions.h"
#include "tests/conformance/members.h"

namespace stagecraft::test {

/// This process's MPI, which lasts as long as the program's tests.
const std::shared_ptr<mpi::Runtime>& runtime();

int process_rank();
int process_count();

/// Runs the function in every process within a session of its own, under a watchdog. Ranks of equal
/// `node` share windows. What failed anywhere is gathered, and thrown in every process, so that all
/// go on to the same next test.
using SessionFunction =
    std::function<void(MpiSession& session, const std::function<void(std::string)>& doing)>;
void run_session(const std::string& test, std::optional<int> node, const SessionFunction& function);

/// The same with a world and a stream.
void run_processes(const std::string& test, std::optional<int> node,
                   const MemberFunction& function);

/// The main program. All processes run the same tests in the same order; rank 0 reports. When
/// `why_skipped` says something, that is all that it reports.
int run_tests(int argc, char** argv, const std::function<std::string()>& why_skipped);

}  // namespace stagecraft::test
