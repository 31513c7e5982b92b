#include "actors/stage_actor.h"

#include <fmt/core.h>

#include <caf/all.hpp>
#include <iterator>

#include "actors/cast.h"

namespace stagecraft {

StageActor::behavior_type stage_actor(StageActor::stateful_pointer<StageState> self,
                                      const std::shared_ptr<StageSetup>& setup,
                                      const GuardActor& guard) {
  StageState& state = self->state;
  state.start(self, setup, guard);
  self->set_down_handler([&state](const caf::down_msg& m) { state.lost(m); });
  return {
      [&state](const TrainStep& m) {
        state.enqueue({PassKind::train, m.step, 0});
      },
      [&state](const Evaluate& m) {
        state.enqueue({PassKind::evaluate, m.step, m.batch});
      },
      [&state](const Envelope& m) { state.deliver(m); },
      [&state](const Credit& m) { state.credit(m); },
      [&state](const ApplyUpdate& m) { state.apply(m); },
      [&state](const WriteModel& m) { state.write_model(m); },
      [&state](const Finish& m) { state.finish(m); },
      [&state](ConnectAtom, const std::vector<caf::strong_actor_ptr>& m) { state.connect(m); },
      [&state](JoinAtom, const caf::strong_actor_ptr& driver) { state.join(driver); },
  };
}

void StageState::start(StageActor::stateful_pointer<StageState> self,
                       std::shared_ptr<StageSetup> setup, GuardActor guard) {
  self_ = self;
  setup_ = std::move(setup);
  guard_ = std::move(guard);
  place_ = place_of(setup_->plan->mesh, setup_->rank);
}

void StageState::connect(const std::vector<caf::strong_actor_ptr>& column) {
  for (const caf::strong_actor_ptr& actor : column) {
    column_.push_back(caf::actor_cast<StageActor>(actor));
    if (column_.back() != self_) {
      self_->monitor(column_.back());
    }
  }
  begin_when_complete();
}

void StageState::join(const caf::strong_actor_ptr& driver) {
  driver_ = caf::actor_cast<DriverActor>(driver);
  self_->monitor(driver_);
  self_->send(guard_, JoinAtom::value, driver);
  self_->send(driver_, JoinAtom::value, static_cast<std::int32_t>(setup_->rank),
              caf::actor_cast<caf::strong_actor_ptr>(guard_));
  begin_when_complete();
}

/// The driver and the neighbours may become known in either order.
void StageState::begin_when_complete() {
  if (column_.empty() || !driver_) {
    return;
  }
  guarded([&] {
    progress().set(Activity::starting);
    make_work();
    fill_weights();
    read_clocks(false);
    progress().set(Activity::idle);
    self_->send(driver_, Ready{setup_->rank});
  });
}

/// A neighbour or the driver is gone while it was still needed: its process, or the way to it. One
/// that ends with the run ends normally, or with a failure that is known already; one that was sent
/// home is nobody's cause, but the reason why it was is still to be found.
void StageState::lost(const caf::down_msg& down) {
  if (failed_ || down.reason == caf::exit_reason::normal) {
    return;
  }
  MeshPlace place{};  // the driver is in rank 0's process
  for (std::size_t stage = 0; stage < column_.size(); ++stage) {
    if (down.source == column_[stage]) {
      place = place_;
      place.pipeline = static_cast<int>(stage);
    }
  }
  const int rank = rank_at(setup_->plan->mesh, place);
  const ProgressSlot::View row = setup_->board->slot(rank).view();
  fail(rank,
       fmt::format("stage {}, rank {}, {}: its process, or the connection to it, is gone; "
                   "stage {}, rank {} noticed, at {}",
                   place.pipeline, rank, place_text(row), place_.pipeline, setup_->rank,
                   place_text(progress().view())),
       row.activity == Activity::dismissed);
}

/// Collective over all ranks.
void StageState::read_clocks(bool at_end) {
  std::vector<ClockReading> readings = stagecraft::read_clocks(*setup_->world, setup_->same_clock);
  if (setup_->rank == 0) {
    self_->send(driver_, ClockReadings{at_end, std::move(readings)});
  }
}

void StageState::make_work() {
  StageSetup& s = *setup_;
  MeshCommunicators groups = mesh_communicators(*s.world, *s.plan);
  for (auto* group : {&groups.tensor, &groups.data, &groups.tied}) {
    progress().set(Activity::starting);  // each group is progress
    *group = observe(s.for_tensors(std::move(*group)), *this);
  }
  auto real = std::make_unique<ModelStageWork>(*s.plan, s.rank, std::move(s.stream),
                                               std::move(groups), s.data, s.work);
  real_ = real.get();
  work_ = s.config->wrap_work ? s.config->wrap_work(s.rank, std::move(real)) : std::move(real);
  executor_.emplace(ExecutorParts{.stage = place_.pipeline,
                                  .column = place_.data * s.plan->mesh.tensor + place_.tensor,
                                  .work = *work_,
                                  .port = *this,
                                  .progress = progress(),
                                  .spans = spans_},
                    s.channels);
}

void StageState::fill_weights() {
  const int tensor_ranks = setup_->plan->mesh.tensor;
  for (const Parameter& parameter : real_->parameters().parameters()) {
    progress().set(Activity::starting);  // each parameter is progress
    if (setup_->initial != nullptr) {
      setup_->initial->read(work_->stream(), parameter, place_.tensor, tensor_ranks);
    } else {
      initialize(work_->stream(), parameter, setup_->work.seed, place_.tensor, tensor_ranks);
    }
  }
  real_->weights_written();
}

/// Runs `action`; what it throws ends this stage's part of the run.
void StageState::guarded(const std::function<void()>& action) {
  if (failed_) {
    return;
  }
  try {
    action();
  } catch (const AbortedError& error) {
    fail(error.what(), true);
  } catch (const std::exception& error) {
    fail(error.what(), false);
  } catch (...) {
    fail("something that is no std::exception was thrown", false);
  }
}

/// What was thrown here.
void StageState::fail(std::string_view what, bool aborted) {
  fail(setup_->rank,
       fmt::format("stage {}, rank {}, {}: {}", place_.pipeline, setup_->rank,
                   place_text(progress().view()), what),
       aborted);
}

void StageState::fail(int culprit, const std::string& text, bool aborted) {
  failed_ = true;
  progress().set(Activity::failed);
  self_->send(guard_, StageFailed{culprit, text, aborted});
}

void StageState::enqueue(const Pass& pass) {
  guarded([&] {
    if (pass.step == 0 && !rehearsing_) {
      begin_rehearsal();
    } else if (pass.step != 0 && rehearsing_) {
      end_rehearsal();
    }
    passes_.push_back(pass);
    pump();
  });
}

void StageState::deliver(const Envelope& envelope) {
  guarded([&] {
    executor_->deliver(envelope);
    pump();
  });
}

void StageState::credit(const Credit& credit) {
  guarded([&] {
    executor_->credit(credit.edge, credit.sequence);
    pump();
  });
}

void StageState::apply(const ApplyUpdate& m) {
  guarded([&] {
    executor_->decide({.step = m.step,
                       .learning_rate = from_bits(m.learning_rate),
                       .gradient_scale = from_bits(m.gradient_scale)});
    pump();
  });
}

/// How many tensors of a channel are under way at a time, and with them how much memory a step
/// takes, depends on when credits come. A rehearsal takes as much more as may ever be under way.
void StageState::begin_rehearsal() {
  rehearsing_ = true;
  const std::int64_t bytes = largest_transfer_bytes(*setup_->plan);
  for (const auto& [edge, channel] : setup_->channels) {
    const int slots = edge.source == place_.pipeline ? kReceiveSlots : 0;
    for (int slot = 0; slot < slots; ++slot) {
      spare_.push_back(work_->stream().memory().allocate(bytes, MemoryLabel::workspace));
    }
  }
}

/// What it took goes back to the pool, and is nothing that the run did.
void StageState::end_rehearsal() {
  rehearsing_ = false;
  spare_.clear();
  use_before_ = work_->stream().use();
  work_->stream().memory().account()->reset_peaks();
  spans_ = SpanRecorder();
  first_begin_ns_ = 0;
}

/// Fires what may fire, then waits for the next message.
void StageState::pump() {
  while (true) {
    if (executor_->ready()) {
      executor_->step();
    } else if (executor_->awaits_update() && !reported_) {
      report();
    } else if (!executor_->done() || !take_up_next()) {
      return;
    }
  }
}

/// Reports the pass that has come to its end, and begins the next one, if there is one.
bool StageState::take_up_next() {
  if (running_ && executor_->pass().kind == PassKind::evaluate) {
    report();
  }
  running_ = false;
  if (passes_.empty()) {
    return false;
  }
  const Pass pass = passes_.front();
  passes_.erase(passes_.begin());
  const bool training = pass.kind == PassKind::train;
  if (first_begin_ns_ == 0) {
    first_begin_ns_ = now_ns();
  }
  spans_.enable(training && pass.step >= 1 && pass.step <= setup_->config->trace_steps);
  progress().set(Activity::beginning, pass.step, {});
  executor_->begin(pass, training ? setup_->plan->program : setup_->plan->evaluation);
  running_ = true;
  reported_ = false;
  return true;
}

void StageState::report() {
  reported_ = true;
  const Pass& pass = executor_->pass();
  // On a GPU the host waits here for what was issued, and that perhaps for others.
  const bool on_host = work_->stream().device().kind == DeviceKind::cpu;
  progress().set(on_host ? Activity::reporting : Activity::communicating);
  StreamSpan span(spans_, work_->stream());
  const PassResults results = work_->results();
  std::vector<std::uint64_t> losses;
  for (const double loss : results.losses) {
    losses.push_back(bits_of(loss));
  }
  if (pass.kind == PassKind::evaluate) {
    progress().set(Activity::idle);
    self_->send(driver_, EvaluationDone{setup_->rank, pass.batch, std::move(losses)});
    return;
  }
  StepDone done{
      .rank = setup_->rank, .step = pass.step, .losses = std::move(losses), .squares = {}};
  for (const ParameterSquare& square : results.squares) {
    done.squares.push_back({square.parameter, bits_of(square.square)});
  }
  spans_.at(pass.step, "");
  span.end(Lane::optimizer, "gradient norm");
  progress().set(Activity::waiting);
  self_->send(driver_, std::move(done));
  spans_.settle();
}

void StageState::write_model(const WriteModel& m) {
  guarded([&] {
    progress().set(Activity::writing);
    if (place_.data == 0) {
      write_parameters(work_->stream(), setup_->plan->model, m.temporary,
                       real_->parameters().parameters(), place_.tensor, setup_->plan->mesh.tensor);
    }
    progress().set(Activity::idle);
    self_->send(driver_, ModelWritten{setup_->rank});
  });
}

void StageState::finish(const Finish& m) {
  if (!m.failed) {
    guarded([&] {
      spans_.settle();
      read_clocks(true);
    });
  }
  if (!m.failed && !failed_) {
    progress().set(Activity::leaving);
  }
  failed_ = true;  // what comes from now on is nobody's business
  if (driver_) {
    send_spans();
    self_->send(driver_, ended());
  }
  self_->quit();
  setup_->ended();
}

void StageState::send_spans() {
  std::vector<Span> all = spans_.take();
  for (std::size_t begin = 0; begin < all.size(); begin += Spans::kMost) {
    const std::size_t end = std::min(all.size(), begin + Spans::kMost);
    self_->send(driver_,
                Spans{setup_->rank,
                      {std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(begin)),
                       std::make_move_iterator(all.begin() + static_cast<std::ptrdiff_t>(end))}});
  }
}

ProgressSlot& StageState::progress() { return setup_->board->slot(setup_->rank); }

StageEnded StageState::ended() const {
  StageEnded report;
  report.rank = setup_->rank;
  if (!executor_) {
    return report;
  }
  const std::int64_t collectives = spans_.total_ns(Lane::collectives);
  report.communication_ns =
      collectives + spans_.total_ns(Lane::send) + spans_.total_ns(Lane::receive);
  report.compute_ns =
      spans_.total_ns(Lane::compute) + spans_.total_ns(Lane::optimizer) - collectives;
  const std::int64_t total = first_begin_ns_ == 0 ? 0 : now_ns() - first_begin_ns_;
  report.idle_ns = total - report.compute_ns - report.communication_ns;
  report.use = work_->stream().use();
  report.use.full_waits -= use_before_.full_waits;
  report.use.event_waits -= use_before_.event_waits;
  report.use.memory_calls -= use_before_.memory_calls;
  const MemoryAccount& account = *work_->stream().memory().account();
  report.peak_bytes = account.total().peak;
  report.peak_saved_activation_bytes = account.count(MemoryLabel::saved_activations).peak;
  return report;
}

void StageState::send_envelope(const Envelope& envelope) {
  const auto& copies = setup_->config->envelope_copies;
  for (int left = copies ? copies(setup_->rank, envelope) : 1; left > 0; --left) {
    self_->send(column_.at(static_cast<std::size_t>(envelope.edge.destination)), envelope);
  }
}

void StageState::send_credit(const Edge& edge, std::uint64_t sequence) {
  self_->send(column_.at(static_cast<std::size_t>(edge.source)), Credit{edge, sequence});
}

void StageState::begin(std::string_view /*operation*/) {
  communication_.emplace(spans_, work_->stream());
  progress().set(Activity::communicating);
}

void StageState::end(std::string_view operation) {
  communication_->end(Lane::collectives, operation);
  progress().set(Activity::running);
}

}  // namespace stagecraft
