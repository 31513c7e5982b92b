// The named schedules: builders that list compute only.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stages/program/program.h"
#include "stages/schedules/compute_list.h"
#include "stages/schedules/schedule_shape.h"

namespace stagecraft {

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
/// The evaluation of a training program: forwards alone, over its chunks and stages. As many
/// micro-batches as there are stages go through all chunks, then as many more.
Program forwards_of(const Program& training);

/// What is known of a named schedule.
struct ScheduleInfo {
  std::string name;  // in [parallel] schedule
  Program (*build)(const ScheduleShape& shape) = nullptr;
  Placement placement = loop_placement;
  int min_chunks = 1;            // a stage; the planner takes gpipe for looped-bfs of one
  int max_chunks = 1;            // a stage
  bool splits_backward = false;  // has I and W in place of B, so W may run later
  /// Position in the order of least idle time where F, I and W take the same; among equals, the
  /// schedule that holds less comes first.
  int idle_order = 0;

  bool takes_chunks(int chunks) const { return min_chunks <= chunks && chunks <= max_chunks; }
};

/// Every schedule, in the order in which messages list them. A new schedule is one entry here.
const std::vector<ScheduleInfo>& schedules();
/// Throws Error for a name that is not in the table; the text lists the names.
const ScheduleInfo& schedule_info(std::string_view name);
/// The names of schedules(), in its order.
const std::vector<std::string>& schedule_names();

/// Throws Error as schedule_info does, and for a shape outside the schedule's domain.
Program build_schedule(std::string_view name, const ScheduleShape& shape);
/// The stage of every chunk in the programs of schedule `name`.
std::vector<int> schedule_placement(std::string_view name, int stages, int chunks);

}  // namespace stagecraft
