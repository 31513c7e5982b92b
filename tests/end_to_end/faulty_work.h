// Real work, with a callback before each of its calls that may inject a fault.
#pragma once

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "stages/channels/pass.h"
#include "stages/execute/stage_work.h"

namespace stagecraft::test {

// Locations that are not instructions.
inline constexpr Instruction kAtBegin{Op::forward, -1, 0};
inline constexpr Instruction kAtNorm{Op::forward, -2, 0};

class FaultyWork : public StageWork {
 public:
  using Strike = std::function<void(const Pass& pass, const Instruction& at)>;

  FaultyWork(std::unique_ptr<StageWork> real, Strike inject)
      : real_(std::move(real)), strike_(std::move(inject)) {}
  Stream& stream() override { return real_->stream(); }
  void begin(const Pass& pass, const LossCounts& counts) override {
    pass_ = pass;
    strike_(pass_, kAtBegin);
    real_->begin(pass, counts);
  }
  void run(const Instruction& i) override {
    strike_(pass_, i);
    real_->run(i);
  }
  Tensor take_output(const Instruction& i) override {
    strike_(pass_, i);
    return real_->take_output(i);
  }
  void put_input(const Instruction& i, Tensor x) override {
    strike_(pass_, i);
    real_->put_input(i, std::move(x));
  }
  bool await_reductions() override { return real_->await_reductions(); }
  PassResults results() override {
    if (pass_.kind == PassKind::train) {
      strike_(pass_, kAtNorm);
    }
    return real_->results();
  }
  void update(const Update& update) override {
    strike_(pass_, {.op = Op::optimizer});
    real_->update(update);
  }
  void load(StateKind kind, const StateReader& reader) override { real_->load(kind, reader); }
  const std::vector<StatePiece>& pieces() const override { return real_->pieces(); }
  void save(StateKind kind, StateWriter& writer) override { real_->save(kind, writer); }
  std::unique_ptr<StateSnapshot> snapshot() override { return real_->snapshot(); }
  void start_hashing() override { real_->start_hashing(); }
  std::vector<StateHash> hashes() override { return real_->hashes(); }

 private:
  std::unique_ptr<StageWork> real_;
  Strike strike_;
  Pass pass_;
};

}  // namespace stagecraft::test
