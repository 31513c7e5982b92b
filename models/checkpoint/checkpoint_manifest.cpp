// The members of a manifest as JSON. manifest_checks.cpp has the rules that join them.
#include "models/checkpoint/checkpoint_manifest.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"
#include "models/checkpoint/checkpoint_layout.h"
#include "models/checkpoint/json_value.h"
#include "models/checkpoint/manifest_checks.h"
#include "models/parameters/checksum.h"

namespace stagecraft {
namespace {

constexpr int kDepth = 8;

/// Bytes that are not UTF-8, which JSON cannot hold, become U+FFFD.
std::string quoted(const std::string& text) {
  using Json = nlohmann::json;
  return Json(text).dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string quoted_hash(std::uint64_t hash) { return fmt::format("\"{}\"", hash_text(hash)); }

/// "[a,b]" of the items' texts.
template <typename Items, typename Text>
std::string list(const Items& items, std::string_view separator, const Text& text) {
  std::string all = "[";
  for (const auto& item : items) {
    all.append(all.size() == 1 ? "" : separator).append(text(item));
  }
  return all + "]";
}

std::string sizes(const Shape& shape) {
  return list(shape, ",", [](std::int64_t size) { return std::to_string(size); });
}

std::string texts(const std::map<std::string, std::string>& values) {
  std::string all;
  for (const auto& [name, value] : values) {
    all += fmt::format("{}\n  {}: {}", all.empty() ? "" : ",", quoted(name), quoted(value));
  }
  return fmt::format("{{{}}}", all);
}

std::string number(double value) {
  require(std::isfinite(value), "manifest_json", "{} is not a finite number", value);
  return fmt::format("{}", value);
}

std::string piece_json(const CheckpointPiece& piece) {
  return fmt::format(R"({{"file":{},"begin":{},"end":{},"checksum":{}}})", piece.file,
                     sizes(piece.box.begin), sizes(piece.box.end), quoted_hash(piece.checksum));
}

std::string tensor_json(const CheckpointTensor& tensor) {
  std::string states;
  for (const StateKind kind : kStateKinds) {
    const CheckpointState& state = tensor.at(kind);
    states += fmt::format(",\n   \"{}\": {{\"hash\":{},\"pieces\":{}}}", kind_name(kind),
                          quoted_hash(state.hash), list(state.pieces, ",\n    ", piece_json));
  }
  return fmt::format(R"({{"name": {}, "shape": {}{}}})", quoted(tensor.name), sizes(tensor.shape),
                     states);
}

std::string run_members(const CheckpointManifest& m) {
  return fmt::format(
      " \"step\": {},\n \"samples\": {},\n \"loss\": {},\n \"validation_loss\": {},\n"
      " \"validation_step\": {},\n \"evaluation_due\": {},\n \"settings\": {},\n \"origin\": {},\n",
      m.step, m.samples, number(m.loss), m.validation_loss ? number(*m.validation_loss) : "null",
      m.validation_step, m.evaluation_due, texts(m.settings), texts(m.origin));
}

std::string state_members(const CheckpointManifest& m) {
  const auto different = [](const DifferentBits& each) {
    return fmt::format(R"({{"step":{},"reason":{}}})", each.step, quoted(each.reason));
  };
  const auto file = [](const CheckpointFile& each) {
    return fmt::format(R"({{"name":{},"bytes":{}}})", quoted(each.name), each.bytes);
  };
  return fmt::format(
      " \"different_bits\": {},\n \"files\": {},\n \"tensors\": {},\n \"state_hash\": {}",
      list(m.different_bits, ",\n  ", different), list(m.files, ",\n  ", file),
      list(m.tensors, ",\n  ", tensor_json), quoted_hash(m.state_hash()));
}

/// The end of every manifest, of a length that is always the same.
std::string trailer(std::string_view text) {
  return fmt::format(",\n \"hash\": {}\n}}\n",
                     quoted_hash(checksum(std::as_bytes(std::span(text)))));
}

void check_trailer(const std::string& file, std::string_view json) {
  const std::size_t length = trailer("").size();
  require(json.size() > length, file, "the manifest is truncated: it has {} bytes", json.size());
  const std::string_view text = json.substr(0, json.size() - length);
  require(json.substr(text.size()) == trailer(text), file,
          "the manifest is damaged: its bytes do not have the hash at its end");
}

Shape read_sizes(const JsonValue& value) {
  const std::vector<JsonValue> items = value.items();
  value.check(items.size() <= Shape::static_capacity, "has too many dimensions");
  Shape shape;
  for (const JsonValue& item : items) {
    shape.push_back(item.integer());
  }
  return shape;
}

CheckpointPiece read_piece(const JsonValue& value) {
  value.with_members({"file", "begin", "end", "checksum"});
  const std::int64_t file = value["file"].integer();
  value["file"].check(file <= kMaxCheckpointFiles, "is too large");
  return {static_cast<int>(file),
          {read_sizes(value["begin"]), read_sizes(value["end"])},
          value["checksum"].hash()};
}

CheckpointState read_state(const JsonValue& value) {
  value.with_members({"hash", "pieces"});
  CheckpointState state{value["hash"].hash(), {}};
  for (const JsonValue& piece : value["pieces"].items()) {
    state.pieces.push_back(read_piece(piece));
  }
  return state;
}

CheckpointTensor read_tensor(const JsonValue& value) {
  value.with_members({"name", "shape", "weight", "first_moment", "second_moment"});
  return {value["name"].text(),
          read_sizes(value["shape"]),
          {read_state(value["weight"]), read_state(value["first_moment"]),
           read_state(value["second_moment"])}};
}

void check_version(const std::string& file, const nlohmann::json& json) {
  const auto version = json.is_object() ? json.find("stagecraft_checkpoint") : json.end();
  require(version != json.end(), file, "is not the manifest of a checkpoint");
  require(*version == kCheckpointVersion, file,
          "the checkpoint has version {}; this program reads version {}: use the program that "
          "wrote it",
          version->dump(), kCheckpointVersion);
}

CheckpointManifest read_members(const JsonValue& value) {
  value.with_members({"stagecraft_checkpoint", "step", "samples", "loss", "validation_loss",
                      "validation_step", "evaluation_due", "settings", "origin", "different_bits",
                      "files", "tensors", "state_hash", "hash"});
  CheckpointManifest m;
  m.step = value["step"].integer();
  m.samples = value["samples"].integer();
  m.loss = value["loss"].number();
  if (!value["validation_loss"].is_null()) {
    m.validation_loss = value["validation_loss"].number();
  }
  m.validation_step = value["validation_step"].integer();
  m.evaluation_due = value["evaluation_due"].boolean();
  m.settings = value["settings"].texts();
  m.origin = value["origin"].texts();
  for (const JsonValue& each : value["different_bits"].items()) {
    each.with_members({"step", "reason"});
    m.different_bits.push_back({each["step"].integer(), each["reason"].text()});
  }
  for (const JsonValue& each : value["files"].items()) {
    each.with_members({"name", "bytes"});
    m.files.push_back({each["name"].text(), each["bytes"].integer()});
  }
  for (const JsonValue& each : value["tensors"].items()) {
    m.tensors.push_back(read_tensor(each));
  }
  value["state_hash"].check(value["state_hash"].hash() == m.state_hash(),
                            "is not the sum of the tensors' hashes");
  return m;
}

}  // namespace

std::uint64_t CheckpointManifest::state_hash() const {
  std::uint64_t sum = 0;
  for (const CheckpointTensor& tensor : tensors) {
    for (const CheckpointState& state : tensor.states) {
      sum += state.hash;
    }
  }
  return sum;
}

std::string manifest_json(const CheckpointManifest& manifest) {
  const std::string text =
      fmt::format("{{\n \"stagecraft_checkpoint\": {},\n{}{}", kCheckpointVersion,
                  run_members(manifest), state_members(manifest));
  return text + trailer(text);
}

CheckpointManifest parse_manifest(const std::string& file, std::string_view json) {
  check_trailer(file, json);
  const nlohmann::json parsed = parse_json(file, json, kDepth);
  check_version(file, parsed);
  CheckpointManifest manifest = read_members({file, parsed});
  check_manifest(file, manifest);
  return manifest;
}

std::string hash_text(std::uint64_t hash) { return fmt::format("{:016x}", hash); }

}  // namespace stagecraft
