// What parsing a program says of a mistake in it.
#pragma once

#include <string>

#include "stages/program/program_reader.h"
#include "stages/program/written_program.h"

namespace stagecraft::test {

inline std::string message_of(const std::string& text) {
  try {
    parse_written(text);
  } catch (const TextError& error) {
    return error.what();
  }
  return "nothing was wrong";
}

}  // namespace stagecraft::test
