// The operation names in the cells of a CSV program.
#pragma once

#include <array>
#include <string_view>

#include "stages/program/instruction.h"

namespace stagecraft {

struct CellName {
  std::string_view name;
  Op op;
};
inline constexpr std::array<CellName, 9> kCellNames = {{{"F", Op::forward},
                                                        {"B", Op::backward},
                                                        {"I", Op::backward_input},
                                                        {"W", Op::backward_weight},
                                                        {"SEND_F", Op::send_activation},
                                                        {"RECV_F", Op::receive_activation},
                                                        {"SEND_B", Op::send_gradient},
                                                        {"RECV_B", Op::receive_gradient},
                                                        {"REDUCE_GRAD", Op::reduce_data}}};

}  // namespace stagecraft
