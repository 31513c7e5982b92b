// The cells of a CSV program: CHUNK NAME MICROBATCH, as 0SEND_F1, and CHUNK NAME, as 0REDUCE_GRAD.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stages/program/instruction.h"

namespace stagecraft {

enum class CellRole : std::uint8_t {
  issue,   // issues an instruction
  wait,    // waits until a send or a reduction has ended, which was issued earlier in the row
  implied  // says what every program here implies
};

struct CellName {
  CellRole role = CellRole::issue;
  Op op = Op::forward;  // what it issues or waits for; of an implied cell: one with its numbers
};

/// Nothing if no cell has this name.
std::optional<CellName> parse_cell_name(std::string_view name);
/// The names of all cells that have a micro-batch, or of all that have none.
std::vector<std::string> cell_names(bool with_microbatch);

/// Whether a cell can wait for instructions of this kind: for sends, and for the reduction.
bool has_wait(Op op);
/// Empty if the format does not have the instruction.
std::string cell_text(const Instruction& instruction);
std::string wait_text(const Instruction& awaited);

}  // namespace stagecraft
