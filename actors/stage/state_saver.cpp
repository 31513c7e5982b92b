#include "actors/stage/state_saver.h"

#include <algorithm>
#include <system_error>
#include <utility>
#include <vector>

#include "kernels/base/error.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_writer.h"

namespace stagecraft {
namespace {

std::int32_t index_of(const std::vector<ParameterSpec>& parameters, const std::string& name) {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const ParameterSpec& spec) { return spec.name == name; });
  return static_cast<std::int32_t>(found - parameters.begin());
}

std::vector<WirePiece> to_wire(const std::vector<WrittenPiece>& pieces, const ModelSpec& model) {
  const std::vector<ParameterSpec> parameters = model.parameters();
  std::vector<WirePiece> wire;
  for (const WrittenPiece& piece : pieces) {
    const Box& box = piece.box;
    wire.push_back({.parameter = index_of(parameters, piece.parameter),
                    .kind = piece.kind,
                    .begin = {box.begin.begin(), box.begin.end()},
                    .end = {box.end.begin(), box.end.end()},
                    .checksum = piece.checksum});
  }
  return wire;
}

}  // namespace

StateSaver::~StateSaver() {
  cancelled_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
}

void StateSaver::save(const KeepState& order) {
  await_earlier();
  snapshot_ = setup_.work.snapshot();
  if (snapshot_ == nullptr) {
    awaited_ = true;
    setup_.progress.set(Activity::saving);
    write(order, nullptr);
    return;
  }
  writing_ = true;
  try {
    thread_ = std::thread([this, order] { write(order, snapshot_.get()); });
  } catch (const std::system_error& error) {
    writing_ = false;
    setup_.saved({.rank = setup_.rank, .step = order.step, .error = error.what()});
  }
}

void StateSaver::await_earlier() {
  if (!thread_.joinable()) {
    return;
  }
  awaited_ = true;
  setup_.progress.set(Activity::saving);
  thread_.join();
  snapshot_.reset();
}

void StateSaver::write(const KeepState& order, StateSnapshot* snapshot) {
  StateSaved message = written(order, snapshot);
  writing_ = false;
  setup_.saved(std::move(message));
}

/// A rank that saves nothing makes no file.
StateSaved StateSaver::written(const KeepState& order, StateSnapshot* snapshot) {
  StateSaved message{.rank = setup_.rank, .step = order.step};
  const std::vector<StatePiece>& pieces = setup_.work.pieces();
  if (pieces.empty()) {
    return message;
  }
  message.without_copy = snapshot == nullptr;
  try {
    CheckpointWriter file(setup_.files, begin_checkpoint(setup_.files, order.directory, order.step),
                          setup_.rank, pieces, {.on_progress = [this] { advance(); }});
    snapshot != nullptr ? snapshot->write(file) : save_all(file);
    message.pieces = to_wire(file.finish(), setup_.plan.model);
    message.bytes = checkpoint_file_bytes(pieces);
  } catch (const std::exception& error) {
    message.error = error.what();
  }
  return message;
}

void StateSaver::save_all(StateWriter& file) {
  for (const StateKind kind : kStateKinds) {
    setup_.work.save(kind, file);
  }
}

void StateSaver::advance() {
  if (cancelled_) {
    throw Error("checkpoint", "the run has ended while it was written");
  }
  if (awaited_) {
    setup_.progress.advance();
  }
}

}  // namespace stagecraft
