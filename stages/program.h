// A program: one issue order per stage. Builders list compute only; passes add transfers and
// reductions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stages/instruction.h"

namespace stagecraft {

/// What is issued together: one instruction, or a group of transfers that proceed side by side.
using Group = std::vector<Instruction>;
using StageProgram = std::vector<Group>;

struct Program {
  int chunks = 1;
  int microbatches = 1;
  std::vector<int> stage_of_chunk;   // size `chunks`
  std::vector<StageProgram> stages;  // one a stage
  friend bool operator==(const Program&, const Program&) = default;
};

/// One line a stage behind a header; groups in parentheses:
///   program stages 2 chunks 2 microbatches 2
///   0: 0F0 0SA0 0F1 (0SA1 0RG0) 0B0 0RG1 0B1
std::string to_string(const Program& program);
/// The inverse; chunks belong to the stages whose line has their F. Empty lines and what follows
/// '#' are passed over. Throws Error "[line L, column C] ..." with the remedy. written_program.h
/// reads other forms and files too.
Program parse_program(std::string_view text);

/// Whether it has any B, I or W; otherwise it is an evaluation.
bool trains(const Program& program);
bool is_compute_only(const Program& program);
/// Whether it has transfers and, where it trains, U, as far as it needs them; whether it has all of
/// them is for verify to say.
bool is_whole(const Program& program);
/// The program with its F, B, I and W alone.
Program compute_of(Program program);

/// What a builder needs to know. `microbatches` are those of one step.
struct ScheduleShape {
  int stages = 1;
  int microbatches = 1;
  int chunks = 1;  // a stage
};

// Builders: compute only. Chunk c lies on stage c modulo p; with zb-v and dualpipe-v the second
// half of the chunks goes back up through the stages. Each throws Error, with the remedy, for sizes
// outside its domain.

/// All forwards, then all backwards, in micro-batch order; one chunk a stage (Huang et al., arXiv
/// 1811.06965).
Program gpipe(const ScheduleShape& shape);
/// The same with several chunks a stage, chunk by chunk (Lamy-Poirier, arXiv 2211.05953).
Program looped_bfs(const ScheduleShape& shape);
/// Stage i of p (from 0) runs p - i - 1 forwards, then one forward and one backward in turn; one
/// chunk a stage (PipeDream-flush; Narayanan et al., arXiv 2006.09503).
Program one_f_one_b(const ScheduleShape& shape);
/// 1F1B over at least two chunks a stage in rounds of p micro-batches, p dividing their number
/// (Narayanan et al., arXiv 2104.04473).
Program interleaved(const ScheduleShape& shape);
/// 1F1B's order with W of stage i put off by i micro-batches (Qi et al., arXiv 2401.10241).
Program zb_h1(const ScheduleShape& shape);
/// Twice as many warm-up forwards; at least 2p - 1 micro-batches (the same source).
Program zb_h2(const ScheduleShape& shape);
/// Two chunks a stage in a V, at least 2p micro-batches (Qi et al., arXiv 2405.15362).
Program zb_v(const ScheduleShape& shape);
/// DualPipe's order with its two directions folded into a V: two chunks a stage, at least 2p
/// micro-batches (DeepSeek-AI, arXiv 2412.19437).
Program dualpipe_v(const ScheduleShape& shape);
/// Forwards alone, for an evaluation: as many micro-batches as there are stages go through all
/// chunks, then as many more.
Program forward_only(const ScheduleShape& shape);
/// The same over the chunks and stages of `training`, wherever its chunks lie.
Program forwards_of(const Program& training);

/// The names that [parallel] schedule knows, and their builders. Throws Error for another name, and
/// for chunks with a schedule that has one a stage.
const std::vector<std::string>& schedule_names();
Program build_schedule(std::string_view name, const ScheduleShape& shape);
/// The stage of every chunk in the programs of schedule `name`.
std::vector<int> schedule_placement(std::string_view name, int stages, int chunks);

/// Adds a receive before every instruction whose input comes from another stage and a send behind
/// every one whose output goes to another; transfers that follow each other without compute between
/// them form one group, since neighbours would otherwise wait for each other crosswise. Where
/// stages would wait for each other all the same, since one is to send what the other takes only
/// later, the receive is drawn forward; its stage keeps the tensor until it is used.
Program with_transfers(Program program);

struct ReductionShape {
  bool tied = false;  // the first and the last chunk share a parameter
  bool data = false;  // there is more than one data rank
};
/// The end of `stage`'s line in a program that trains: T if the stage owns an end of the tied
/// parameter, D of its chunks, the last first, and U.
std::vector<Instruction> tail_of(const Program& program, int stage, const ReductionShape& shape);
/// Adds it to every line.
Program with_reductions(Program program, const ReductionShape& shape);

/// A program as a person gave it, made whole: transfers if it has none, and, if it trains, the
/// reductions of `shape` in place of those that stand at the ends of its lines.
Program completed(Program program, const ReductionShape& shape);

}  // namespace stagecraft
