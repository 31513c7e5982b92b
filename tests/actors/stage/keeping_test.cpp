// A stage hashes and saves its state on the driver's order, beside training.
#include <catch2/catch.hpp>
#include <thread>

#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_writer.h"
#include "tests/actors/stage/stage_play.h"

namespace stagecraft {

using namespace test;

namespace {

const std::string kDirectory = (MemoryFileSystem::root() / "checkpoints").string();

void train_step(StageFixture& play, std::int64_t step) {
  const Pass pass{PassKind::train, step, 0};
  for (const int microbatch : {0, 1}) {
    const auto sequence = static_cast<int>(2 * (step - 1)) + microbatch;
    if (sequence >= kReceiveSlots) {  // the gradients of the step before have been received
      play.tell(Credit{kBackward, static_cast<std::uint64_t>(sequence - kReceiveSlots)});
    }
    play.put(sequence);
    Envelope envelope = play.envelope(microbatch, pass);
    envelope.sequence = static_cast<std::uint64_t>(sequence);
    play.tell(envelope);
  }
}

/// Stage 1 of a fixture whose work holds drawn weights.
StateHashed hashes_of(const StageFixture& play, std::int64_t step) {
  StateHashed message{1, step, {}};
  for (const StateHash& hash : play.work->state.hashes()) {
    message.hashes.push_back({hash.parameter, hash.kind, hash.hash});
  }
  return message;
}

ApplyUpdate keep(std::int64_t step, std::vector<PassRange> next, const std::string& directory) {
  return {step, to_wire(0.5), to_wire(1.0), std::move(next), {{step, directory}}};
}

/// What the stage says when its file is on the disk.
StateSaved saved_file(const StageFixture& play, std::int64_t step) {
  MemoryFileSystem files;
  const std::vector<StatePiece>& pieces = play.work->pieces();
  CheckpointWriter writer(files, begin_checkpoint(files, kDirectory, step), 1, pieces);
  for (const StateKind kind : kStateKinds) {
    play.work->save(kind, writer);
  }
  StateSaved message{.rank = 1, .step = step, .bytes = checkpoint_file_bytes(pieces)};
  const std::vector<WrittenPiece> written = writer.finish();
  for (std::size_t i = 0; i < written.size(); ++i) {
    const Box& box = written[i].box;
    const std::size_t parameters = play.model().parameters().size();
    message.pieces.push_back({static_cast<std::int32_t>(i % parameters),
                              written[i].kind,
                              {box.begin.begin(), box.begin.end()},
                              {box.end.begin(), box.end.end()},
                              written[i].checksum});
  }
  return message;
}

}  // namespace

TEST_CASE("stage: state is hashed behind the update, and the hashes come with the next results") {
  StageFixture play;
  play.make_ready();
  play.tell(train(1));
  train_step(play, 1);
  play.tell(keep(1, {{PassKind::train, 2}}, ""));
  CHECK(play.driver_got());
  train_step(play, 2);
  CHECK(play.driver_got(hashes_of(play, 1)));
}

TEST_CASE("stage: behind the last step the hashes come at once, and the file when it is written") {
  StageFixture play;
  play.make_ready();
  play.tell(train(1));
  train_step(play, 1);
  play.tell(keep(1, {}, kDirectory));
  CHECK(play.driver_gets(hashes_of(play, 1), saved_file(play, 1)));
  CHECK(play.activity() == Activity::idle);
  const auto file = unfinished_checkpoint(kDirectory, 1) / checkpoint_file_name(1);
  CHECK(play.files->size(file) == saved_file(play, 1).bytes);
}

TEST_CASE("stage: without memory for a copy the file is written all the same, and it says so") {
  StageFixture play;
  play.make_ready();
  play.work->state.has_memory = false;
  play.tell(train(1));
  train_step(play, 1);
  play.tell(keep(1, {}, kDirectory));
  StateSaved saved = saved_file(play, 1);
  saved.without_copy = true;
  CHECK(play.driver_gets(hashes_of(play, 1), saved));
}

TEST_CASE("stage: an order between two steps keeps the state of the last one") {
  StageFixture play;
  play.make_ready();
  play.tell(train(1));
  train_step(play, 1);
  play.tell(ApplyUpdate{1, to_wire(0.5), to_wire(1.0)});
  play.tell(KeepState{1, kDirectory});
  CHECK(play.driver_gets(hashes_of(play, 1), saved_file(play, 1)));
}

TEST_CASE("stage: a file that cannot be written is said, and the stage goes on") {
  StageFixture play;
  play.break_files({FileCallKind::sync, 1, ENOSPC});
  play.make_ready();
  play.tell(train(1));
  train_step(play, 1);
  play.tell(keep(1, {{PassKind::train, 2}}, kDirectory));
  const auto file = unfinished_checkpoint(kDirectory, 1) / checkpoint_file_name(1);
  StateSaved failed{.rank = 1, .step = 1};
  try {
    throw_file_error(file, "cannot flush to the disk", ENOSPC);
  } catch (const Error& error) {
    failed.error = error.what();
  }
  CHECK(play.driver_gets(failed));
  CHECK(play.monitor_got());
  train_step(play, 2);
  CHECK(play.driver_got(hashes_of(play, 1)));
  CHECK(play.activity() == Activity::waiting);
}

}  // namespace stagecraft
