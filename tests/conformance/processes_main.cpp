#include "tests/conformance/processes.h"

int main(int argc, char** argv) {
  return stagecraft::test::run_tests(argc, argv, [] { return std::string(); });
}
