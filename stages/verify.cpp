#include "stages/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/topological_sort.hpp>
#include <map>
#include <optional>

#include "kernels/base/error.h"
#include "stages/channel.h"

namespace stagecraft {
namespace {

struct Place {
  int stage = -1;
  int group = -1;  // position in the stage's program
  bool there() const { return stage >= 0; }
};

/// What is wrong, as a sentence with its remedy.
using Objection = std::optional<std::string>;

std::string at(const Place& place, const Instruction& instruction) {
  return fmt::format("{} (stage {}, position {})", to_string(instruction), place.stage,
                     place.group);
}

class Verifier {
 public:
  Verifier(const Program& program, const ReductionShape& reductions)
      : program_(program), reductions_(reductions) {}

  Verdict run() {
    Verdict verdict;
    for (const auto check :
         {&Verifier::index, &Verifier::check_compute, &Verifier::check_transfers,
          &Verifier::check_channels, &Verifier::check_reductions, &Verifier::check_waits}) {
      if (Objection objection = (this->*check)()) {
        verdict.counter_example = std::move(*objection);
        return verdict;
      }
    }
    verdict.proven = true;
    verdict.peak_live = peak_live();
    return verdict;
  }

 private:
  std::size_t slot(const Instruction& i) const {
    const auto op = static_cast<std::size_t>(i.op);
    const auto chunks = static_cast<std::size_t>(program_.chunks);
    const auto microbatches = static_cast<std::size_t>(program_.microbatches);
    return (op * chunks + static_cast<std::size_t>(i.chunk)) * microbatches +
           static_cast<std::size_t>(i.microbatch);
  }

  const Place& find(Op op, int chunk, int microbatch) const {
    return places_[slot({op, chunk, microbatch})];
  }

  int stage_of(int chunk) const { return program_.stage_of_chunk[static_cast<std::size_t>(chunk)]; }

  template <typename F>
  void for_each(F&& f) const {
    for (std::size_t stage = 0; stage < program_.stages.size(); ++stage) {
      const StageProgram& order = program_.stages[stage];
      for (std::size_t group = 0; group < order.size(); ++group) {
        for (const Instruction& instruction : order[group]) {
          f(Place{static_cast<int>(stage), static_cast<int>(group)}, instruction);
        }
      }
    }
  }

  /// Every instruction once, within the sizes, on its chunk's stage; groups are of transfers.
  Objection index() {
    places_.assign(slot({Op::optimizer, program_.chunks - 1, program_.microbatches - 1}) + 1, {});
    Objection objection;
    for_each([&](const Place& place, const Instruction& i) {
      if (objection) {
        return;
      }
      const bool within = i.chunk >= 0 && i.chunk < program_.chunks && i.microbatch >= 0 &&
                          i.microbatch < program_.microbatches;
      if (!within) {
        objection = at(place, i) + " is beyond the program's chunks or micro-batches";
      } else if (i.op != Op::optimizer && stage_of(i.chunk) != place.stage) {
        objection =
            fmt::format("{} stands on a stage that does not own chunk {}; move it to stage {}",
                        at(place, i), i.chunk, stage_of(i.chunk));
      } else if (i.op != Op::optimizer && places_[slot(i)].there()) {
        objection = fmt::format("{} stands again at position {}; remove one",
                                at(places_[slot(i)], i), place.group);
      } else if (group_at(place).size() > 1 && !is_transfer(i.op)) {
        objection = at(place, i) + " stands in a group; only transfers may";
      } else {
        places_[slot(i)] = place;
      }
    });
    return objection;
  }

  const Group& group_at(const Place& place) const {
    return program_
        .stages[static_cast<std::size_t>(place.stage)][static_cast<std::size_t>(place.group)];
  }

  bool trains() const {
    bool found = false;
    for_each([&](const Place&, const Instruction& i) {
      found = found || (is_compute(i.op) && i.op != Op::forward);
    });
    return found;
  }

  Objection check_compute() {
    training_ = trains();
    for (int chunk = 0; chunk < program_.chunks; ++chunk) {
      for (int m = 0; m < program_.microbatches; ++m) {
        if (Objection objection = check_microbatch(chunk, m)) {
          return objection;
        }
      }
    }
    return check_weight_order();
  }

  /// `earlier` and `later` must both be there, in this order on their stage.
  Objection ordered(const Instruction& earlier, const Instruction& later) const {
    const Place& a = places_[slot(earlier)];
    const Place& b = places_[slot(later)];
    for (const auto& [place, i] : {std::pair(a, earlier), std::pair(b, later)}) {
      if (!place.there()) {
        return fmt::format("{} is missing on stage {}; add it", to_string(i), stage_of(i.chunk));
      }
    }
    if (a.stage == b.stage && a.group >= b.group) {
      return fmt::format("{} must stand behind {}", at(b, later), at(a, earlier));
    }
    return {};
  }

  Objection check_microbatch(int chunk, int m) const {
    const Instruction forward{Op::forward, chunk, m};
    if (!find(Op::forward, chunk, m).there()) {
      return fmt::format("{} is missing on stage {}; add it", to_string(forward), stage_of(chunk));
    }
    if (!training_) {
      return {};
    }
    const bool whole = find(Op::backward, chunk, m).there();
    const bool halves =
        find(Op::backward_input, chunk, m).there() || find(Op::backward_weight, chunk, m).there();
    if (whole == halves) {
      return fmt::format("chunk {} needs either B or both I and W of micro-batch {}, and has {}",
                         chunk, m, whole ? "all of them" : "none");
    }
    if (whole) {
      return ordered(forward, {Op::backward, chunk, m});
    }
    Objection objection = ordered(forward, {Op::backward_input, chunk, m});
    return objection ? objection
                     : ordered({Op::backward_input, chunk, m}, {Op::backward_weight, chunk, m});
  }

  /// A chunk's weight gradients are added in micro-batch order, so that no schedule changes a bit.
  Objection check_weight_order() const {
    std::vector<int> next(static_cast<std::size_t>(program_.chunks), 0);
    Objection objection;
    for_each([&](const Place& place, const Instruction& i) {
      if (objection || (i.op != Op::backward && i.op != Op::backward_weight)) {
        return;
      }
      int& expected = next[static_cast<std::size_t>(i.chunk)];
      if (i.microbatch != expected) {
        objection = fmt::format(
            "{} adds weight gradients before micro-batch {} has; keep them in micro-batch order",
            at(place, i), expected);
      }
      ++expected;
    });
    return objection;
  }

  Op gradient_op(int chunk, int m) const {
    return find(Op::backward, chunk, m).there() ? Op::backward : Op::backward_input;
  }

  /// Values flow from chunk to chunk+1 forward, and back; over a transfer where stages differ.
  Objection check_transfers() {
    for (int chunk = 0; chunk + 1 < program_.chunks; ++chunk) {
      for (int m = 0; m < program_.microbatches; ++m) {
        Objection objection =
            check_flow({Op::forward, chunk, m}, {Op::send_activation, chunk, m},
                       {Op::receive_activation, chunk + 1, m}, {Op::forward, chunk + 1, m});
        if (!objection && training_) {
          objection = check_flow(
              {gradient_op(chunk + 1, m), chunk + 1, m}, {Op::send_gradient, chunk + 1, m},
              {Op::receive_gradient, chunk, m}, {gradient_op(chunk, m), chunk, m});
        }
        if (objection) {
          return objection;
        }
      }
    }
    return check_stray_transfers();
  }

  Objection check_flow(const Instruction& producer, const Instruction& send,
                       const Instruction& receive, const Instruction& consumer) const {
    if (stage_of(producer.chunk) == stage_of(consumer.chunk)) {
      return ordered(producer, consumer);
    }
    if (Objection objection = ordered(producer, send)) {
      return objection;
    }
    return ordered(receive, consumer);
  }

  Objection check_stray_transfers() const {
    Objection objection;
    for_each([&](const Place& place, const Instruction& i) {
      if (objection || !is_transfer(i.op)) {
        return;
      }
      const int neighbour = other_end(i).chunk;
      const bool gradient = !carries_activation(i.op);
      if (neighbour < 0 || neighbour >= program_.chunks ||
          stage_of(neighbour) == stage_of(i.chunk) || (gradient && !training_)) {
        objection = at(place, i) + " moves what no other stage has or wants; remove it";
      }
    });
    return objection;
  }

  /// Both ends of a channel (source, destination, kind) see the micro-batches in one order.
  Objection check_channels() {
    std::map<Edge, std::vector<Instruction>> sent;
    std::map<Edge, std::vector<Instruction>> received;
    for_each([&](const Place&, const Instruction& i) {
      if (is_transfer(i.op)) {
        const Edge edge = edge_of(i, program_.stage_of_chunk);
        is_send(i.op) ? sent[edge].push_back(other_end(i)) : received[edge].push_back(i);
      }
    });
    for (const auto& [edge, sends] : sent) {
      const std::vector<Instruction>& receives = received[edge];
      const auto [s, r] =
          std::mismatch(sends.begin(), sends.end(), receives.begin(), receives.end());
      if (s != sends.end() && r != receives.end()) {
        return fmt::format(
            "the channel from stage {} to stage {} carries {} where stage {} expects {}; list both "
            "ends in one order",
            edge.source, edge.destination, to_string(*s), edge.destination, to_string(*r));
      }
    }
    return {};
  }

  /// Behind all compute: T where a tied parameter has uses, D of every chunk, then U, each once.
  Objection check_reductions() {
    for (std::size_t stage = 0; stage < program_.stages.size(); ++stage) {
      const auto expected = expected_tail(static_cast<int>(stage));
      std::vector<Instruction> tail;
      for (const Group& group : program_.stages[stage]) {
        const Instruction& first = group.front();
        if (!is_compute(first.op) && !is_transfer(first.op)) {
          tail.push_back(first);
        } else if (!tail.empty()) {
          return fmt::format(
              "stage {}: {} stands behind {}; reductions and the optimizer come last", stage,
              to_string(first), to_string(tail.back()));
        }
      }
      if (tail != expected) {
        return fmt::format(R"(stage {} ends in "{}" where "{}" is due)", stage, text_of(tail),
                           text_of(expected));
      }
    }
    return {};
  }

  std::vector<Instruction> expected_tail(int stage) const {
    if (!training_) {
      return {};
    }
    Program empty{program_.chunks, program_.microbatches, program_.stage_of_chunk,
                  std::vector<StageProgram>(program_.stages.size())};
    const Program reduced = with_reductions(std::move(empty), reductions_);
    std::vector<Instruction> tail;
    for (const Group& group : reduced.stages[static_cast<std::size_t>(stage)]) {
      tail.push_back(group.front());
    }
    return tail;
  }

  static std::string text_of(const std::vector<Instruction>& instructions) {
    std::vector<std::string> texts;
    texts.reserve(instructions.size());
    for (const Instruction& i : instructions) {
      texts.push_back(to_string(i));
    }
    return fmt::format("{}", fmt::join(texts, " "));
  }

  // Waits. A group is issued when the group before it is done; a transfer proceeds when the groups
  // of both ends are issued; a group is done when all its transfers are. Nodes: two a group.
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS>;

  Objection check_waits() {
    std::vector<std::size_t> first_node;
    std::size_t nodes = 0;
    for (const StageProgram& order : program_.stages) {
      first_node.push_back(nodes);
      nodes += 2 * order.size();
    }
    const auto issued = [&](const Place& place) {
      return first_node[static_cast<std::size_t>(place.stage)] +
             2 * static_cast<std::size_t>(place.group);
    };
    Graph graph(nodes);
    for_each([&](const Place& place, const Instruction& i) {
      boost::add_edge(issued(place), issued(place) + 1, graph);
      if (place.group > 0) {
        boost::add_edge(issued(place) - 1, issued(place), graph);
      }
      for (const Place& other : partners(i)) {
        boost::add_edge(issued(other), issued(place) + 1, graph);
      }
    });
    std::vector<std::size_t> order;
    try {
      boost::topological_sort(graph, std::back_inserter(order));
    } catch (const boost::not_a_dag&) {
      return cycle_of(graph);
    }
    return {};
  }

  std::vector<Place> partners(const Instruction& i) const {
    if (is_transfer(i.op)) {
      return {places_[slot(other_end(i))]};
    }
    const int last = program_.chunks - 1;
    if (i.op == Op::reduce_tied && stage_of(0) != stage_of(last)) {
      return {find(Op::reduce_tied, i.chunk == 0 ? last : 0, 0)};
    }
    return {};
  }

  /// A cycle of waits: keep only nodes with an edge to another kept node, then follow edges until
  /// one comes again.
  std::string cycle_of(const Graph& graph) const {
    const std::size_t nodes = boost::num_vertices(graph);
    std::vector<std::size_t> waits(nodes, 0);
    std::vector<std::vector<std::size_t>> before(nodes);
    for (auto [edge, end] = boost::edges(graph); edge != end; ++edge) {
      ++waits[boost::source(*edge, graph)];
      before[boost::target(*edge, graph)].push_back(boost::source(*edge, graph));
    }
    std::vector<std::size_t> free;
    for (std::size_t node = 0; node < nodes; ++node) {
      if (waits[node] == 0) {
        free.push_back(node);
      }
    }
    while (!free.empty()) {
      const std::size_t node = free.back();
      free.pop_back();
      for (const std::size_t earlier : before[node]) {
        if (--waits[earlier] == 0) {
          free.push_back(earlier);
        }
      }
    }
    return describe_cycle(walk(graph, waits));
  }

  static std::vector<std::size_t> walk(const Graph& graph, const std::vector<std::size_t>& waits) {
    std::size_t node = static_cast<std::size_t>(
        std::find_if(waits.begin(), waits.end(), [](std::size_t w) { return w > 0; }) -
        waits.begin());
    std::vector<std::size_t> path;
    while (std::find(path.begin(), path.end(), node) == path.end()) {
      path.push_back(node);
      for (auto [edge, end] = boost::out_edges(node, graph); edge != end; ++edge) {
        if (waits[boost::target(*edge, graph)] > 0) {
          node = boost::target(*edge, graph);
          break;
        }
      }
    }
    path.erase(path.begin(), std::find(path.begin(), path.end(), node));
    return path;
  }

  std::string describe_cycle(const std::vector<std::size_t>& path) const {
    std::string text = "these wait for each other:";
    std::string last;
    for (std::size_t node : path) {
      std::size_t stage = 0;
      node /= 2;
      while (node >= program_.stages[stage].size()) {
        node -= program_.stages[stage++].size();
      }
      const std::string name =
          fmt::format(" {}", at({static_cast<int>(stage), static_cast<int>(node)},
                                program_.stages[stage][node].front()));
      if (name != last) {
        text += fmt::format("{}{}", last.empty() ? "" : ",", name);
      }
      last = name;
    }
    return text +
           "; change the order on one of these stages, or join crosswise transfers in a group";
  }

  std::vector<int> peak_live() const {
    std::vector<int> peaks;
    for (const StageProgram& order : program_.stages) {
      int live = 0;
      int peak = 0;
      for (const Group& group : order) {
        const Op op = group.front().op;
        live += (op == Op::forward ? 1 : 0);
        peak = std::max(peak, live);
        live -= (op == Op::backward || op == Op::backward_input ? 1 : 0);
      }
      peaks.push_back(training_ ? peak : 0);
    }
    return peaks;
  }

  const Program& program_;
  const ReductionShape& reductions_;
  std::vector<Place> places_;
  bool training_ = false;
};

}  // namespace

Verdict verify(const Program& program, const ReductionShape& reductions) {
  return Verifier(program, reductions).run();
}

}  // namespace stagecraft
