// The conformance suite of communicators: a test program defines communicator_factories() and links
// communicator.cpp, communicator_faults.cpp and communicator_groups.cpp.
#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <string>
#include <vector>

#include "tests/conformance/members.h"

namespace stagecraft::test {

struct CommunicatorFactory {
  std::string name;
  int size = 1;
  /// Members whose calls do not match get an Error; some libraries cannot detect it.
  bool sees_disagreement = true;
  /// Operations return when they are issued; an abort shows in the next operation.
  bool asynchronous = false;
  /// Creating a world takes a second, an operation milliseconds: tests use fewer repetitions.
  bool costly = false;
  /// Runs the function once for each member of a new world, on threads or processes, under a
  /// watchdog with the given name. Throws the exception of a member in this process.
  std::function<void(const std::string& test, const MemberFunction&)> run;
};

/// Defined by the test program.
std::vector<CommunicatorFactory> communicator_factories();

/// Runs the test case once with each factory.
inline CommunicatorFactory any_factory() { return GENERATE(from_range(communicator_factories())); }

}  // namespace stagecraft::test
