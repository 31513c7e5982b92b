// Writes and reads a checkpoint of one rank beside plain pwrite + fsync and pread of as many bytes.
// The ways take turns; printed are medians, and the ratio to the plain way. Files leave the host's
// page cache before they are read.
//   usage: bench_checkpoint FOLDER [gib = 1] [rounds = 5]
#include <fcntl.h>
#include <fmt/core.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string_view>

#include "benchmarks/measure.h"
#include "kernels/base/descriptor.h"
#include "kernels/base/file_reader.h"
#include "kernels/base/file_writer.h"
#include "kernels/base/posix_file_system.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_reader.h"
#include "models/checkpoint/checkpoint_writer.h"

namespace stagecraft::bench {
namespace {

namespace fs = std::filesystem;

const Shape kShape{1600, 6400};
constexpr std::int64_t kElements = 1600 * 6400;
constexpr std::int64_t kBlock = std::int64_t{8} << 20;

struct Bench {
  fs::path folder;
  std::vector<ParameterSpec> parameters;
  std::vector<StatePiece> pieces = {};
  std::vector<float> values = std::vector<float>(static_cast<std::size_t>(kElements));
  PosixFileSystem files = {};

  fs::path plain() const { return folder / "plain"; }
  fs::path checkpoint() const { return checkpoint_folder(folder, 1); }
  std::int64_t bytes() const {
    return static_cast<std::int64_t>(pieces.size()) * kElements * size_of(DType::float32);
  }
};

Bench make_bench(const fs::path& folder, double gib) {
  const double piece_bytes = static_cast<double>(kElements * size_of(DType::float32));
  const auto count = static_cast<int>(gib * static_cast<double>(1 << 30) / piece_bytes / 3) + 1;
  Bench bench{folder, {}};
  for (int i = 0; i < count; ++i) {
    bench.parameters.push_back({fmt::format("h.{}.weight", i), kShape, {}, {}});
  }
  for (const ParameterSpec& parameter : bench.parameters) {
    for (const StateKind kind : kStateKinds) {
      bench.pieces.push_back({parameter, kind, whole_box(kShape)});
    }
  }
  for (std::size_t i = 0; i < bench.values.size(); ++i) {
    bench.values[i] = static_cast<float>(i) * 0.37F;
  }
  return bench;
}

void write_plain(Bench& bench) {
  FileWriter file(bench.plain(), bench.files.create(bench.plain(), bench.bytes()));
  const auto bytes = std::as_bytes(std::span(bench.values)).first(kBlock);
  for (std::int64_t at = 0; at + kBlock <= bench.bytes(); at += kBlock) {
    file.write(at, bytes);
  }
  file.sync();
}

CheckpointManifest manifest_of(const Bench& bench, const std::vector<WrittenPiece>& written) {
  CheckpointManifest manifest;
  manifest.step = 1;
  manifest.files = {{checkpoint_file_name(0), checkpoint_file_bytes(bench.pieces)}};
  for (const ParameterSpec& parameter : bench.parameters) {
    manifest.tensors.push_back({parameter.name, kShape, {}});
  }
  const std::size_t pieces = written.size() / bench.pieces.size();  // of a tensor and kind
  for (std::size_t i = 0; i < written.size(); ++i) {
    CheckpointTensor& tensor = manifest.tensors[i / pieces / std::size(kStateKinds)];
    tensor.states.at(static_cast<std::size_t>(written[i].kind))
        .pieces.push_back({0, written[i].box, written[i].checksum});
  }
  return manifest;
}

void write_checkpoint(Bench& bench) {
  const fs::path unfinished = begin_checkpoint(bench.files, bench.folder, 1);
  CheckpointWriter writer(bench.files, unfinished, 0, bench.pieces);
  for (const StatePiece& piece : bench.pieces) {
    writer.write(piece, bench.values);
  }
  commit_checkpoint(bench.files, unfinished, manifest_of(bench, writer.finish()));
}

void read_plain(Bench& bench) {
  const FileReader file(bench.plain(), bench.files.open_for_reading(bench.plain()));
  const auto bytes = std::as_writable_bytes(std::span(bench.values)).first(kBlock);
  for (std::int64_t at = 0; at + kBlock <= bench.bytes(); at += kBlock) {
    file.read(at, bytes);
  }
}

void read_whole(Bench& bench) {
  const CheckpointReader reader(bench.files, bench.checkpoint());
  for (const StatePiece& piece : bench.pieces) {
    reader.read(piece, bench.values);
  }
}

/// What a rank reads that holds half of the rows, or of each of four groups of columns.
void read_cut(Bench& bench, int dimension, const Shape& groups) {
  const CheckpointReader reader(bench.files, bench.checkpoint());
  const ShardSpec shard{.dimension = dimension, .shards = 2, .groups = groups};
  for (const StatePiece& piece : bench.pieces) {
    for (const ShardBox& box : shard_boxes(kShape, shard, 0, 2)) {
      const auto elements = static_cast<std::size_t>(elements_of(box.global.shape()));
      reader.read({piece.parameter, piece.kind, box.global},
                  std::span(bench.values).first(elements));
    }
  }
}

void leave_page_cache(const fs::path& path) {
  const Descriptor file(path, O_RDONLY);
  ::posix_fadvise(file.get(), 0, 0, POSIX_FADV_DONTNEED);
}

struct Way {
  std::string_view name;
  std::function<void(Bench&)> run;
  std::vector<double> seconds = {};
};

void measure(Bench& bench, std::vector<Way>& ways, int rounds) {
  for (int round = 0; round < rounds; ++round) {
    for (Way& way : ways) {
      for (const fs::path& path : {bench.plain(), bench.checkpoint() / checkpoint_file_name(0)}) {
        if (fs::exists(path)) {
          leave_page_cache(path);
        }
      }
      const std::int64_t begin_ns = now_ns();
      way.run(bench);
      way.seconds.push_back(static_cast<double>(now_ns() - begin_ns) * 1e-9);
    }
  }
}

void print(const Bench& bench, const std::vector<Way>& ways) {
  const double plain = median(ways.front().seconds);
  for (const Way& way : ways) {
    const double seconds = median(way.seconds);
    fmt::print("{:34} {:8.3f} s {:8.2f} GB/s {:6.2f} of plain\n", way.name, seconds,
               static_cast<double>(bench.bytes()) / seconds * 1e-9, plain / seconds);
  }
}

void run(const fs::path& folder, double gib, int rounds) {
  Bench bench = make_bench(folder, gib);
  std::vector<Way> writing{{"pwrite, fsync", write_plain}, {"checkpoint", write_checkpoint}};
  measure(bench, writing, rounds);
  print(bench, writing);
  std::vector<Way> reading{{"pread", read_plain},
                           {"checkpoint, whole pieces", read_whole},
                           {"checkpoint, half of the rows", [](Bench& b) { read_cut(b, 0, {}); }},
                           {"checkpoint, half of the columns of four groups", [](Bench& b) {
                              read_cut(b, 1, {1600, 1600, 1600, 1600});
                            }}};
  measure(bench, reading, rounds);
  print(bench, reading);
  fs::remove(bench.plain());
  fs::remove_all(bench.checkpoint());
}

}  // namespace
}  // namespace stagecraft::bench

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: bench_checkpoint FOLDER [gib = 1] [rounds = 5]\n");
    return 2;
  }
  stagecraft::bench::run(argv[1], argc > 2 ? std::atof(argv[2]) : 1,
                         argc > 3 ? std::atoi(argv[3]) : 5);
}
