// The work of a stage as it is, for benchmarks that change a part of it.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "stages/execute/stage_work.h"

namespace stagecraft::bench {

class ForwardingWork : public StageWork {
 public:
  explicit ForwardingWork(std::unique_ptr<StageWork> real) : real_(std::move(real)) {}
  Stream& stream() override { return real_->stream(); }
  void begin(const Pass& pass, const LossCounts& counts) override { real_->begin(pass, counts); }
  void run(const Instruction& instruction) override { real_->run(instruction); }
  Tensor take_output(const Instruction& send) override { return real_->take_output(send); }
  void put_input(const Instruction& receive, Tensor x) override {
    real_->put_input(receive, std::move(x));
  }
  bool await_reductions() override { return real_->await_reductions(); }
  PassResults results() override { return real_->results(); }
  void update(const Update& update) override { real_->update(update); }
  void load(StateKind kind, const StateReader& reader) override { real_->load(kind, reader); }
  const std::vector<StatePiece>& pieces() const override { return real_->pieces(); }
  void save(StateKind kind, StateWriter& writer) override { real_->save(kind, writer); }
  std::unique_ptr<StateSnapshot> snapshot() override { return real_->snapshot(); }
  void start_hashing() override { real_->start_hashing(); }
  std::vector<StateHash> hashes() override { return real_->hashes(); }

 private:
  std::unique_ptr<StageWork> real_;
};

}  // namespace stagecraft::bench
