#include "stages/plan/list_scheduler.h"

#include <algorithm>
#include <limits>

namespace stagecraft {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

class ListScheduler {
 public:
  ListScheduler(const ListProblem& problem, const ListPolicy& policy)
      : problem_(problem), policy_(policy), chunks_(problem.stage_of_chunk.size()) {
    const int stages =
        *std::max_element(problem.stage_of_chunk.begin(), problem.stage_of_chunk.end()) + 1;
    stages_.resize(static_cast<std::size_t>(stages));
    program_ = {.chunks = static_cast<int>(chunks_.size()),
                .microbatches = problem.microbatches,
                .stage_of_chunk = problem.stage_of_chunk,
                .stages = std::vector<StageProgram>(stages_.size())};
    for (int chunk = 0; chunk < program_.chunks; ++chunk) {
      stage_of(chunk).chunks.push_back(chunk);
      chunk_at(chunk).inputs.assign(static_cast<std::size_t>(problem.microbatches),
                                    chunk == 0 ? 0 : kNever);
      chunk_at(chunk).gradients.assign(static_cast<std::size_t>(problem.microbatches), kNever);
    }
    set_room();
  }

  std::optional<Program> run() {
    while (true) {
      std::optional<Choice> first;
      for (Stage& stage : stages_) {
        const std::optional<Choice> choice = choose(stage);
        if (choice && (!first || choice->begin < first->begin)) {
          first = choice;
        }
      }
      if (!first) {
        break;
      }
      take(*first);
    }
    const bool whole = std::all_of(chunks_.begin(), chunks_.end(), [&](const Chunk& chunk) {
      return chunk.weights == problem_.microbatches;
    });
    return whole ? std::optional(program_) : std::nullopt;
  }

 private:
  /// How many micro-batches have had F, I and W of a chunk, and when the operands of each arrive.
  struct Chunk {
    int forwards = 0;
    int inputs_done = 0;  // input gradients, by I or B
    int weights = 0;
    std::vector<double> inputs;
    std::vector<double> gradients;
  };
  struct Stage {
    std::vector<int> chunks;
    double free = 0;        // when its last instruction ends
    std::int64_t room = 0;  // bytes left for stashes
    int activations = 0;
    bool last_forward = false;
  };
  struct Choice {
    Instruction instruction;
    double begin = kNever;
  };

  Chunk& chunk_at(int chunk) { return chunks_[static_cast<std::size_t>(chunk)]; }
  Stage& stage_of(int chunk) {
    return stages_[static_cast<std::size_t>(
        problem_.stage_of_chunk[static_cast<std::size_t>(chunk)])];
  }
  std::size_t index_of(const Stage& stage) const {
    return static_cast<std::size_t>(&stage - stages_.data());
  }
  ChunkBytes bytes_of(int chunk) const {
    const auto& bytes = problem_.limits.chunk_bytes;
    return bytes.empty() ? ChunkBytes{} : bytes[static_cast<std::size_t>(chunk)];
  }

  /// Sets the room for stashes: the limit without what is held throughout, the tensors between
  /// chunks that a group may receive or has to send, and the workspace of a running instruction.
  void set_room() {
    constexpr std::int64_t kTensors = 3;
    const Limits& limits = problem_.limits;
    const std::vector<std::int64_t> throughout =
        constant_bytes(problem_.stage_of_chunk, static_cast<int>(stages_.size()), true, limits);
    for (std::size_t i = 0; i < stages_.size(); ++i) {
      std::int64_t running = 0;
      for (const int chunk : stages_[i].chunks) {
        const ChunkBytes bytes = bytes_of(chunk);
        running = std::max(
            running, std::max({bytes.forward, bytes.backward_input, bytes.backward}) - bytes.stash);
      }
      stages_[i].room =
          limits.bytes ? *limits.bytes - throughout[i] - running - kTensors * limits.tensor_bytes
                       : std::numeric_limits<std::int64_t>::max();
    }
  }

  double cost(const Instruction& i) const { return duration_of(problem_.costs, i); }

  /// Whether there is room for F of this chunk and of the stage's later chunks, so that the oldest
  /// micro-batch can always proceed.
  bool has_room(const Stage& stage, int chunk) const {
    std::int64_t due = 0;
    for (const int each : stage.chunks) {
      due += each >= chunk ? bytes_of(each).stash : 0;
    }
    const int most = policy_.most_activations.empty() ? std::numeric_limits<int>::max()
                                                      : policy_.most_activations[index_of(stage)];
    const auto later = std::count_if(stage.chunks.begin(), stage.chunks.end(),
                                     [&](int each) { return each >= chunk; });
    return due <= stage.room && stage.activations + later <= most;
  }

  std::optional<Choice> next_forward(const Stage& stage) {
    std::optional<Choice> best;
    for (const int chunk : stage.chunks) {
      const Chunk& c = chunk_at(chunk);
      if (c.forwards == problem_.microbatches || !has_room(stage, chunk)) {
        continue;
      }
      const double there = c.inputs[static_cast<std::size_t>(c.forwards)];
      const Choice choice{{Op::forward, chunk, c.forwards}, std::max(there, stage.free)};
      const bool better = !best || choice.begin < best->begin ||
                          (choice.begin == best->begin && policy_.later_chunk_first);
      if (there < kNever && better) {
        best = choice;
      }
    }
    return best;
  }

  /// Among equals the later chunk: its backward comes first.
  std::optional<Choice> next_backward(const Stage& stage) {
    std::optional<Choice> best;
    for (auto chunk = stage.chunks.rbegin(); chunk != stage.chunks.rend(); ++chunk) {
      const Chunk& c = chunk_at(*chunk);
      if (c.inputs_done == c.forwards) {
        continue;
      }
      const double there = c.gradients[static_cast<std::size_t>(c.inputs_done)];
      const Choice choice{
          {policy_.halves ? Op::backward_input : Op::backward, *chunk, c.inputs_done},
          std::max(there, stage.free)};
      if (there < kNever && fits(stage, choice.instruction) &&
          (!best || choice.begin < best->begin)) {
        best = choice;
      }
    }
    return best;
  }

  bool fits(const Stage& stage, const Instruction& i) const {
    const ChunkBytes bytes = bytes_of(i.chunk);
    return i.op != Op::backward_input || bytes.weight_stash - bytes.stash <= stage.room;
  }

  /// W of the chunk that has deferred most.
  std::optional<Choice> next_weight(const Stage& stage) {
    std::optional<Choice> best;
    int most = 0;
    for (const int chunk : stage.chunks) {
      const Chunk& c = chunk_at(chunk);
      if (c.inputs_done - c.weights > most) {
        most = c.inputs_done - c.weights;
        best = Choice{{Op::backward_weight, chunk, c.weights}, stage.free};
      }
    }
    return best;
  }

  std::optional<Choice> preferred(const Stage& stage, const std::optional<Choice>& forward,
                                  const std::optional<Choice>& backward) const {
    if (!forward || !backward) {
      return forward ? forward : backward;
    }
    if (forward->begin != backward->begin) {
      return forward->begin < backward->begin ? forward : backward;
    }
    const bool take_forward = policy_.prefer == Prefer::forward ||
                              (policy_.prefer == Prefer::alternating && !stage.last_forward);
    return take_forward ? forward : backward;
  }

  std::optional<Choice> choose(const Stage& stage) {
    const std::optional<Choice> choice =
        preferred(stage, next_forward(stage), next_backward(stage));
    const std::optional<Choice> weight = next_weight(stage);
    if (!weight || !choice) {
      return choice ? choice : weight;
    }
    const double time = cost(weight->instruction);
    const bool fills =
        choice->begin > stage.free && stage.free + time <= choice->begin + policy_.patience * time;
    return fills ? weight : choice;
  }

  /// When the tensor that chunk `from` makes at `end` reaches chunk `to`.
  double arrival(int from, int to, double end) {
    return index_of(stage_of(from)) == index_of(stage_of(to)) ? end : end + problem_.costs.transfer;
  }

  void take(const Choice& choice) {
    const Instruction& i = choice.instruction;
    Chunk& chunk = chunk_at(i.chunk);
    Stage& stage = stage_of(i.chunk);
    const double end = choice.begin + cost(i);
    stage.free = end;
    program_.stages[index_of(stage)].push_back({i});
    const ChunkBytes bytes = bytes_of(i.chunk);
    const OpTraits& op = traits(i.op);
    stage.room -= op.stashes * bytes.stash + op.weight_stashes * bytes.weight_stash;
    stage.activations += op.stashes;
    chunk.weights += op.adds_weight_gradient ? 1 : 0;
    if (op.payload) {
      const bool forward = *op.payload == Payload::activation;
      ++(forward ? chunk.forwards : chunk.inputs_done);
      stage.last_forward = forward;
      hand_on(*op.payload, i, end);
    }
  }

  void hand_on(Payload payload, const Instruction& i, double end) {
    const auto m = static_cast<std::size_t>(i.microbatch);
    const int next = i.chunk + stride_of(payload);
    if (next >= 0 && next < program_.chunks) {
      Chunk& chunk = chunk_at(next);
      (payload == Payload::activation ? chunk.inputs : chunk.gradients)[m] =
          arrival(i.chunk, next, end);
    } else if (payload == Payload::activation) {
      chunk_at(i.chunk).gradients[m] = end;
    }
  }

  const ListProblem& problem_;
  const ListPolicy& policy_;
  std::vector<Chunk> chunks_;
  std::vector<Stage> stages_;
  Program program_;
};

}  // namespace

std::optional<Program> list_schedule(const ListProblem& problem, const ListPolicy& policy) {
  return ListScheduler(problem, policy).run();
}

}  // namespace stagecraft
