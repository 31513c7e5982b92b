// The members of a group under test, one process each, in a program that mpirun starts.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "tensor_parallel/comm/mpi/sessions.h"
#include "tests/conformance/members.h"

namespace stagecraft::test {

/// This process's MPI runtime, which lives as long as the program's tests.
const std::shared_ptr<mpi::Runtime>& runtime();

int process_rank();
int process_count();

/// Runs the function in every process within a new session, under a watchdog. Ranks with equal
/// `node` share windows. Failures of all ranks are gathered and thrown in every process, so that
/// all processes continue with the same next test.
using SessionFunction =
    std::function<void(MpiSession& session, const std::function<void(std::string)>& doing)>;
void run_session(const std::string& test, std::optional<int> node, const SessionFunction& function);

/// The same with a world communicator and a stream.
void run_processes(const std::string& test, std::optional<int> node,
                   const MemberFunction& function);

/// The body of main(). All processes run the same tests in the same order; rank 0 reports. If
/// `why_skipped` returns a text, the tests do not run and rank 0 prints the text.
int run_tests(int argc, char** argv, const std::function<std::string()>& why_skipped);

}  // namespace stagecraft::test
