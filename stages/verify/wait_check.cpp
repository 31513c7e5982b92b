#include "stages/verify/wait_check.h"

#include <algorithm>
#include <boost/graph/adjacency_list.hpp>
#include <boost/graph/breadth_first_search.hpp>

#include "stages/program/rendezvous_execution.h"

namespace stagecraft {
namespace {

/// The wait-for graph of a deadlock. Every stage is a vertex. Each stage that has not ended has
/// edges to the stages that its group waits for; none of these has ended either.
class Deadlock {
 public:
  Deadlock(const Program& program, const RendezvousExecution& worst)
      : program_(program), worst_(worst), graph_(program.stages.size()) {
    for (std::size_t stage = 0; stage < program.stages.size(); ++stage) {
      if (!worst.at_end(static_cast<int>(stage))) {
        add_edges(stage);
      }
    }
  }

  Diagnostic describe(const DiagnosticWriter& diagnose) const {
    const Cycle cycle = shortest_cycle();
    Diagnostic diagnostic{"these wait for each other: ", {}};
    const auto append = [&](const Diagnostic& part) {
      diagnostic.text += part.text;
      diagnostic.sites.insert(diagnostic.sites.end(), part.sites.begin(), part.sites.end());
    };
    for (std::size_t at = 0; at < cycle.size(); ++at) {
      append(diagnose(at == 0 ? "{} waits for {}" : ", which comes after {}, which waits for {}",
                      waiting(cycle, at), wanted(cycle, at)));
    }
    diagnostic.text += fmt::format(", which comes after {}; {}",
                                   to_string(waiting(cycle, 0).instruction), remedy(cycle));
    return diagnostic;
  }

 private:
  /// An edge holds the transfer that waits.
  using Graph = boost::adjacency_list<boost::vecS, boost::vecS, boost::directedS,
                                      boost::no_property, Instruction>;
  using Vertex = Graph::vertex_descriptor;
  using Cycle = std::vector<Vertex>;  // a cycle: each waits for the next, the last for the first

  void add_edges(Vertex stage) {
    for (const Instruction& i : program_.stages[stage][worst_.position(static_cast<int>(stage))]) {
      const auto other = static_cast<Vertex>(worst_.stage_of(other_end(i)));
      if (!worst_.is_issued(other_end(i)) && !boost::edge(stage, other, graph_).second) {
        boost::add_edge(stage, other, i, graph_);
      }
    }
  }

  Cycle shortest_cycle() const {
    Cycle shortest;
    for (Vertex stage = 0; stage < boost::num_vertices(graph_); ++stage) {
      const Cycle cycle = cycle_through(stage);
      if (!cycle.empty() && (shortest.empty() || cycle.size() < shortest.size())) {
        shortest = cycle;
      }
      if (shortest.size() == 2) {
        break;  // the minimum: no stage waits for itself
      }
    }
    return shortest;
  }

  /// The shortest cycle through `stage`; empty if there is none.
  Cycle cycle_through(Vertex stage) const {
    std::vector<Vertex> before(boost::num_vertices(graph_));
    std::vector<int> distance(before.size(), 0);
    boost::breadth_first_search(
        graph_, stage,
        boost::visitor(boost::make_bfs_visitor(
            std::pair(boost::record_predecessors(before.data(), boost::on_tree_edge()),
                      boost::record_distances(distance.data(), boost::on_tree_edge())))));
    Cycle cycle;
    for (Vertex last = 0; last < before.size(); ++last) {
      const bool closes = distance[last] > 0 && boost::edge(last, stage, graph_).second;
      if (!closes || (!cycle.empty() && distance[last] >= distance[cycle.back()])) {
        continue;
      }
      cycle = {last};
    }
    while (!cycle.empty() && cycle.back() != stage) {
      cycle.push_back(before[cycle.back()]);
    }
    std::reverse(cycle.begin(), cycle.end());
    return cycle;
  }

  InstructionSite waiting(const Cycle& cycle, std::size_t at) const {
    const auto edge = boost::edge(cycle[at], cycle[(at + 1) % cycle.size()], graph_).first;
    const auto stage = static_cast<int>(cycle[at]);
    return {stage, static_cast<int>(worst_.position(stage)), graph_[edge]};
  }

  /// The instruction that waiting() waits for, later on the line of the next stage.
  InstructionSite wanted(const Cycle& cycle, std::size_t at) const {
    const Instruction i = other_end(waiting(cycle, at).instruction);
    const int stage = worst_.stage_of(i);
    const StageProgram& line = program_.stages[static_cast<std::size_t>(stage)];
    std::size_t position = worst_.position(stage);
    while (std::find(line[position].begin(), line[position].end(), i) == line[position].end()) {
      ++position;
    }
    return {stage, static_cast<int>(position), i};
  }

  /// A receive can always be moved forward. If all wait to receive, no order of transfers helps:
  /// the tensors depend on each other.
  std::string remedy(const Cycle& cycle) const {
    for (std::size_t at = 0; at < cycle.size(); ++at) {
      if (is_send(waiting(cycle, at).instruction.op)) {
        const InstructionSite receive = wanted(cycle, at);
        const InstructionSite behind = waiting(cycle, (at + 1) % cycle.size());
        return fmt::format(
            "put {} into one group with {} on stage {}, or change the order on one of these stages",
            to_string(receive.instruction), to_string(behind.instruction), receive.stage);
      }
    }
    return "each waits to receive a tensor that another computes only after its own wait: compute "
           "and send one of these tensors earlier";
  }

  const Program& program_;
  const RendezvousExecution& worst_;
  Graph graph_;
};

}  // namespace

Check check_waits(const Program& program, const DiagnosticWriter& diagnose) {
  RendezvousExecution worst(program);
  if (worst.run()) {
    return {};
  }
  return Deadlock(program, worst).describe(diagnose);
}

}  // namespace stagecraft
