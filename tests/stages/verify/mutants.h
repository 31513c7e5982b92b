// Mutants: programs of every schedule with random changes.
#pragma once

#include <map>
#include <random>
#include <string>
#include <vector>

#include "stages/schedules/reduction_pass.h"
#include "stages/schedules/schedule_shape.h"
#include "tests/stages/verify/interpreter.h"

namespace stagecraft::test {

struct Mutant {
  std::string origin;  // the schedule, its sizes, and the changes
  Program program;
  bool changed = false;  // the program is not its schedule's
  ReductionShape reductions;
  Bounds bounds;
};

/// Mutants of all schedules, including auto, with 2 to 4 stages, 1 to 6 micro-batches and 1 or 2
/// chunks per stage; training and evaluation; some with bounds that the schedule just keeps or just
/// breaks. The same seed gives the same mutants.
class Mutants {
 public:
  explicit Mutants(std::uint64_t seed) : random_(seed) {}
  Mutant next();

 private:
  int below(int end) { return static_cast<int>(random_() % static_cast<std::uint64_t>(end)); }
  bool chance(int percent) { return below(100) < percent; }
  Mutant original();
  const Program& found_by_auto(const ScheduleShape& shape);
  void bound(Mutant& mutant);
  void mutate(Mutant& mutant);

  void swap(Program& program);
  void move(Program& program);
  void drop(Program& program);
  void duplicate(Program& program);
  void retarget(Program& program);
  void regroup(Program& program);
  void shrink(Mutant& mutant);
  StageProgram& some_line(Program& program);
  std::size_t some_location(const StageProgram& line);
  std::size_t near(const StageProgram& line, std::size_t location);

  std::mt19937_64 random_;
  std::map<std::vector<int>, Program> found_;  // by sizes and costs
};

}  // namespace stagecraft::test
