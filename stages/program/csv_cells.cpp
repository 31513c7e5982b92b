#include "stages/program/csv_cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace stagecraft {
namespace {

constexpr std::string_view kWait = "WAIT_";
// They gather and free weights that are sharded over data ranks. Here every rank has whole weights.
constexpr std::array<std::string_view, 2> kImplied = {"UNSHARD", "RESHARD"};
constexpr Op kLikeImplied = Op::reduce_data;  // of a chunk

std::optional<Op> op_of_cell(std::string_view name) {
  const auto* found = std::find_if(kOpTraits.begin(), kOpTraits.end(), [&](const OpTraits& each) {
    return !name.empty() && each.cell == name;
  });
  return found == kOpTraits.end() ? std::nullopt : std::optional(found->op);
}

std::string text_of(const Instruction& i, std::string_view prefix) {
  return has_microbatch(i.op)
             ? fmt::format("{}{}{}{}", i.chunk, prefix, traits(i.op).cell, i.microbatch)
             : fmt::format("{}{}{}", i.chunk, prefix, traits(i.op).cell);
}

}  // namespace

std::optional<CellName> parse_cell_name(std::string_view name) {
  if (std::find(kImplied.begin(), kImplied.end(), name) != kImplied.end()) {
    return CellName{CellRole::implied, kLikeImplied};
  }
  if (const std::optional<Op> op = op_of_cell(name)) {
    return CellName{CellRole::issue, *op};
  }
  if (!name.starts_with(kWait)) {
    return {};
  }
  const std::optional<Op> awaited = op_of_cell(name.substr(kWait.size()));
  return awaited && has_wait(*awaited) ? std::optional(CellName{CellRole::wait, *awaited})
                                       : std::nullopt;
}

std::vector<std::string> cell_names(bool with_microbatch) {
  std::vector<std::string> names;
  for (const OpTraits& each : kOpTraits) {
    if (each.cell.empty() || has_microbatch(each.op) != with_microbatch) {
      continue;
    }
    names.emplace_back(each.cell);
    if (has_wait(each.op)) {
      names.push_back(fmt::format("{}{}", kWait, each.cell));
    }
  }
  if (with_microbatch == has_microbatch(kLikeImplied)) {
    names.insert(names.end(), kImplied.begin(), kImplied.end());
  }
  return names;
}

bool has_wait(Op op) {
  return is_send(op) || (traits(op).kind == OpKind::reduction && !traits(op).cell.empty());
}

std::string cell_text(const Instruction& i) {
  return traits(i.op).cell.empty() ? "" : text_of(i, "");
}

std::string wait_text(const Instruction& awaited) { return text_of(awaited, kWait); }

}  // namespace stagecraft
