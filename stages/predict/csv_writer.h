// Writes programs as CSV, which csv_reader.h reads.
#pragma once

#include <string>

#include "stages/program/program.h"

namespace stagecraft {

/// One row per stage, as torch.distributed.pipelining writes it. In a compute-only program a cell
/// is a slot of time, if every instruction takes one slot; it is empty where the stage is idle.
/// Throws Error if such a program deadlocks. In other programs every instruction is a cell, with
/// receives in the order that torch requires (receive_order.h), and every send and D gets the wait
/// that torch 2.15 requires; groups, T and U are left out, since the format does not have them.
std::string to_csv(const Program& program);

}  // namespace stagecraft
