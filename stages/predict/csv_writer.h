// Programs as CSV, which csv_reader.h reads.
#pragma once

#include <string>

#include "stages/program/program.h"

namespace stagecraft {

/// As torch.distributed.pipelining writes it, a row a stage. A program of compute alone: a cell a
/// slot of time, empty where the stage is idle while everything takes one slot; throws Error when
/// its instructions wait for each other. Else every instruction a cell, without groups, T and U,
/// which that form does not have.
std::string to_csv(const Program& program);

}  // namespace stagecraft
