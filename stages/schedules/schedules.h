// The named schedules and their builders.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stages/program/program.h"
#include "stages/schedules/compute_list.h"
#include "stages/schedules/schedule_shape.h"

namespace stagecraft {

// Builders list compute only. p is the number of stages. Chunk c is on stage c modulo p; with zb-v
// and dualpipe-v the second half of the chunks is on the stages in reverse order. Each builder
// throws Error, which names the remedy, for sizes outside its domain.

/// All forwards, then all backwards, in micro-batch order; one chunk per stage (Huang et al., arXiv
/// 1811.06965).
Program gpipe(const ScheduleShape& shape);
/// The same with several chunks per stage, chunk by chunk (Lamy-Poirier, arXiv 2211.05953).
Program looped_bfs(const ScheduleShape& shape);
/// Stage i (from 0) runs p - i - 1 forwards, then alternates one forward and one backward; one
/// chunk per stage (PipeDream-flush; Narayanan et al., arXiv 2006.09503).
Program one_f_one_b(const ScheduleShape& shape);
/// 1F1B over at least two chunks per stage, in rounds of p micro-batches; p must divide the number
/// of micro-batches (Narayanan et al., arXiv 2104.04473).
Program interleaved(const ScheduleShape& shape);
/// 1F1B's order, with W of stage i (from 0) deferred by i micro-batches (Qi et al., arXiv
/// 2401.10241).
Program zb_h1(const ScheduleShape& shape);
/// zb_h1 with twice as many warm-up forwards; at least 2p - 1 micro-batches (the same source).
Program zb_h2(const ScheduleShape& shape);
/// Two chunks per stage in a V, at least 2p micro-batches (Qi et al., arXiv 2405.15362).
Program zb_v(const ScheduleShape& shape);
/// DualPipe's order with its two directions folded into a V: two chunks per stage, at least 2p
/// micro-batches (DeepSeek-AI, arXiv 2412.19437).
Program dualpipe_v(const ScheduleShape& shape);
/// The evaluation of a training program: forwards only, with its chunks, stages and placement. p
/// micro-batches go through all chunks, then the next p.
Program forwards_of(const Program& training);

/// The properties of a named schedule.
struct ScheduleInfo {
  std::string name;  // the value of [parallel] schedule
  Program (*build)(const ScheduleShape& shape) = nullptr;
  Placement placement = loop_placement;
  int min_chunks = 1;            // per stage; for looped-bfs of one chunk the planner uses gpipe
  int max_chunks = 1;            // per stage
  bool splits_backward = false;  // has I and W in place of B, so W may run later
  /// Position in the order of idle time when F, I and W take equally long, the least first; among
  /// equals, the schedule that holds less comes first.
  int idle_order = 0;

  bool takes_chunks(int chunks) const { return min_chunks <= chunks && chunks <= max_chunks; }
};

/// Every schedule, in the order in which messages list them. A new schedule is one entry here.
const std::vector<ScheduleInfo>& schedules();
/// Throws Error for a name that is not in the table; its text lists the names.
const ScheduleInfo& schedule_info(std::string_view name);
/// The names of schedules(), in its order.
const std::vector<std::string>& schedule_names();

/// Throws Error as schedule_info does, and for a shape outside the schedule's domain.
Program build_schedule(std::string_view name, const ScheduleShape& shape);
/// The stage of every chunk in the programs of schedule `name`; `chunks` is per stage.
std::vector<int> schedule_placement(std::string_view name, int stages, int chunks);

}  // namespace stagecraft
