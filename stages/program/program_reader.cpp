#include "stages/program/program_reader.h"

#include "stages/program/csv_reader.h"
#include "stages/program/program_text.h"

namespace stagecraft {

WrittenProgram parse_written(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  const bool cell = first != std::string_view::npos &&
                    std::string_view("0123456789,(").find(text[first]) != std::string_view::npos;
  return cell ? parse_csv_form(text) : parse_text_form(text);
}

}  // namespace stagecraft
