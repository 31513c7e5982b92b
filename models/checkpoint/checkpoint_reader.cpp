#include "models/checkpoint/checkpoint_reader.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <set>
#include <utility>

#include "kernels/base/error.h"
#include "models/checkpoint/checkpoint_file_reader.h"
#include "models/checkpoint/checkpoint_folder.h"
#include "models/checkpoint/checkpoint_layout.h"
#include "models/checkpoint/manifest_checks.h"
#include "models/checkpoint/piece_cache.h"
#include "models/parameters/state_hash.h"

namespace stagecraft {
namespace {

namespace fs = std::filesystem;

/// Enough for the pieces of one large linear layer.
constexpr std::int64_t kCacheBytes = std::int64_t{256} << 20;

/// Copies the elements of `common`, which lies in both boxes.
void copy_common(const Box& common, const Box& from_box, std::span<const float> from,
                 const Box& to_box, std::span<float> to) {
  const std::vector<ElementRun> sources = runs_of(within(common, from_box), from_box.shape());
  const std::vector<ElementRun> targets = runs_of(within(common, to_box), to_box.shape());
  // Both counts are products of the last sizes of `common`, so that one divides the other.
  const std::int64_t count = std::min(sources.front().count, targets.front().count);
  const auto element = [](const std::vector<ElementRun>& runs, std::int64_t at) {
    const std::int64_t run = at / runs.front().count;
    return runs[static_cast<std::size_t>(run)].begin + at % runs.front().count;
  };
  for (std::int64_t at = 0; at < elements_of(common.shape()); at += count) {
    std::copy_n(from.begin() + element(sources, at), count, to.begin() + element(targets, at));
  }
}

}  // namespace

struct CheckpointReader::State {
  State(FileSystem& system, fs::path place)
      : files(system),
        folder(std::move(place)),
        manifest(read_manifest(files, folder)),
        pieces(manifest.files.size()),
        opening(manifest.files.size()),
        readers(manifest.files.size()) {
    for (const CheckpointTensor& tensor : manifest.tensors) {
      tensors[tensor.name] = &tensor;
      for_each_piece(tensor, [&](StateKind kind, const CheckpointPiece& piece) {
        pieces.at(static_cast<std::size_t>(piece.file))
            .push_back({piece_name(tensor.name, kind, piece.box), piece.box.shape()});
      });
    }
  }

  template <typename F>
  static void for_each_piece(const CheckpointTensor& tensor, F f) {
    for (const StateKind kind : kStateKinds) {
      for (const CheckpointPiece& piece : tensor.at(kind).pieces) {
        f(kind, piece);
      }
    }
  }

  const CheckpointFileReader& reader(std::size_t file) {
    std::call_once(opening[file], [&] {
      readers[file] =
          std::make_unique<CheckpointFileReader>(files, folder, manifest.files[file], pieces[file]);
    });
    return *readers[file];
  }

  const CheckpointTensor& tensor(const ParameterSpec& parameter) const {
    const auto found = tensors.find(parameter.name);
    require(found != tensors.end(), folder.string(), "tensor {} {} is missing", parameter.name,
            parameter.shape);
    require(found->second->shape == parameter.shape, folder.string(),
            "tensor {} is {}, but the model needs {}", parameter.name, found->second->shape,
            parameter.shape);
    return *found->second;
  }

  void load(
      const CheckpointTensor& tensor, StateKind kind, const CheckpointPiece& piece,
      std::span<float> values, const std::function<void()>& on_progress = [] {}) {
    reader(static_cast<std::size_t>(piece.file))
        .read(piece_name(tensor.name, kind, piece.box), piece.checksum,
              std::as_writable_bytes(values), on_progress);
  }

  /// Fills what a piece has of a box. A whole piece that lies in the box without gaps is read in
  /// place.
  void fill(const CheckpointTensor& tensor, StateKind kind, const CheckpointPiece& piece,
            const Box& box, std::span<float> values) {
    const std::optional<Box> common = intersection(piece.box, box);
    if (!common) {
      return;
    }
    const Box place = within(*common, box);
    const ElementRun hull = hull_of(place, box.shape());
    if (*common == piece.box && hull.count == elements_of(place.shape())) {
      load(tensor, kind, piece,
           values.subspan(static_cast<std::size_t>(hull.begin),
                          static_cast<std::size_t>(hull.count)));
      return;
    }
    const std::shared_ptr<const HostValues> held =
        cache.get(piece, [&](std::span<float> all) { load(tensor, kind, piece, all); });
    copy_common(*common, piece.box, held->all(), box, values);
  }

  /// Throws for a file that does not belong to the checkpoint.
  void check_names() const {
    std::set<std::string> known{kManifestName};
    for (const CheckpointFile& file : manifest.files) {
      known.insert(file.name);
    }
    for (const std::string& name : files.list(folder)) {
      require(known.contains(name), (folder / name).string(),
              "does not belong to the checkpoint; move it away");
    }
  }

  void check_hash(const CheckpointTensor& tensor, StateKind kind,
                  const std::function<void()>& on_progress) {
    const ParameterSpec spec{tensor.name, tensor.shape, {}, {}};
    const CheckpointState& state = tensor.at(kind);
    std::uint64_t hash = 0;
    for (const CheckpointPiece& piece : state.pieces) {
      const HostValues values(elements_of(piece.box.shape()));
      load(tensor, kind, piece, values.all(), on_progress);
      hash += state_hash_of({spec, kind, piece.box}, values.all());
    }
    require(hash == state.hash, folder.string(),
            "tensor {}, {}: the hash of its elements is {}, but the manifest has {}", tensor.name,
            kind_name(kind), hash_text(hash), hash_text(state.hash));
  }

  FileSystem& files;
  fs::path folder;
  CheckpointManifest manifest;
  std::map<std::string, const CheckpointTensor*> tensors;
  std::vector<std::vector<NamedShape>> pieces;  // by file
  std::vector<std::once_flag> opening;          // by file
  std::vector<std::unique_ptr<CheckpointFileReader>> readers;
  PieceCache cache{kCacheBytes};
};

CheckpointReader::CheckpointReader(FileSystem& files, fs::path folder)
    : state_(std::make_unique<State>(files, std::move(folder))) {}

CheckpointReader::~CheckpointReader() = default;

const CheckpointManifest& CheckpointReader::manifest() const { return state_->manifest; }

void CheckpointReader::read(const StatePiece& piece, std::span<float> values) const {
  const CheckpointTensor& tensor = state_->tensor(piece.parameter);
  require(static_cast<std::int64_t>(values.size()) == elements_of(piece.box.shape()),
          state_->folder.string(), "{} elements for {}", values.size(),
          piece_name(tensor.name, piece.kind, piece.box));
  for (const CheckpointPiece& each : tensor.at(piece.kind).pieces) {
    state_->fill(tensor, piece.kind, each, piece.box, values);
  }
}

void CheckpointReader::verify(const std::function<void()>& on_progress) const {
  state_->check_names();
  for (std::size_t file = 0; file < state_->manifest.files.size(); ++file) {
    on_progress();
    state_->reader(file);
  }
  for (const CheckpointTensor& tensor : state_->manifest.tensors) {
    for (const StateKind kind : kStateKinds) {
      state_->check_hash(tensor, kind, on_progress);
    }
  }
}

void check_tensors(const CheckpointManifest& manifest, const ModelSpec& model,
                   const fs::path& folder) {
  std::map<std::string, Shape> found;
  for (const CheckpointTensor& tensor : manifest.tensors) {
    found[tensor.name] = tensor.shape;
  }
  for (const ParameterSpec& parameter : model.parameters()) {
    const auto tensor = found.find(parameter.name);
    require(tensor != found.end(), folder.string(), "tensor {} {} is missing", parameter.name,
            parameter.shape);
    require(tensor->second == parameter.shape, folder.string(),
            "tensor {} is {}, but the model needs {}", parameter.name, tensor->second,
            parameter.shape);
    found.erase(tensor);
  }
  require(found.empty(), folder.string(), "tensor {} {} does not belong to the model",
          found.empty() ? "" : found.begin()->first,
          found.empty() ? Shape() : found.begin()->second);
}

}  // namespace stagecraft
