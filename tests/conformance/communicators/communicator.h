// One suite for every communicator: a test program brings its factories and links communicator.cpp
// and communicator_faults.cpp.
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
  /// Members that disagree get an Error; some libraries cannot see it.
  bool sees_disagreement = true;
  /// Operations return when they are issued: an abort shows in the next one.
  bool asynchronous = false;
  /// A world takes a second to make, an operation milliseconds: tests repeat less.
  bool costly = false;
  /// Runs the function once per member of a fresh world, on threads or processes, under a watchdog
  /// that bears the given name. Throws what a member of this process threw.
  std::function<void(const std::string& test, const MemberFunction&)> run;
};

/// Defined by the test program.
std::vector<CommunicatorFactory> communicator_factories();

/// The test case runs once with each.
inline CommunicatorFactory any_factory() { return GENERATE(from_range(communicator_factories())); }

}  // namespace stagecraft::test
