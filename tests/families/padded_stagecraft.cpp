// The program with one more family.
#include "launch/commands/command_line.h"
#include "launch/config/model_families.h"
#include "tests/families/padded_lines.h"

int main(int argc, char** argv) {
  stagecraft::add_model_family(stagecraft::test::kPaddedLines);
  return stagecraft::run_command_line(argc, argv);
}
