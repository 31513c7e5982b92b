#include "models/checkpoint/checkpoint_manifest.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "kernels/base/error.h"
#include "models/parameters/checksum.h"
#include "tests/kernels/base/memory_file_system.h"
#include "tests/models/checkpoint/saved_checkpoint.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;
using namespace test;

CheckpointManifest example() {
  CheckpointManifest m;
  m.step = 400;
  m.samples = 3200;
  m.loss = 3.0000000000000004;
  m.validation_loss = 1e-300;
  m.validation_step = 390;
  m.evaluation_due = true;
  m.settings = {{"data.train", "[\"a \\\"b\\\" \n\t\x01 \xc3\xa9\"]"}, {"train.seed", "1"}};
  m.origin = {{"device", "CPU"}};
  m.different_bits = {{5, "tensor 1 -> 2"}, {9, "--allow train.seed"}};
  m.files = {{"rank-0.safetensors", 1000}, {"rank-1.safetensors", 2000}};
  m.tensors = {{"a", {4, 6}, {}}, {"b", {}, {}}};
  for (std::size_t kind = 0; kind < 3; ++kind) {
    m.tensors[0].states.at(kind) = {0xfedcba9876543210U + kind,
                                    {{0, {{0, 0}, {4, 3}}, 1}, {1, {{0, 3}, {4, 6}}, ~0ULL}}};
    m.tensors[1].states.at(kind) = {kind, {{1, {{}, {}}, 7}}};
  }
  return m;
}

/// The text with another part and a hash that fits.
std::string changed(std::string text, const std::string& part, const std::string& by) {
  const std::size_t at = text.find(part);
  REQUIRE(at != std::string::npos);
  text.replace(at, part.size(), by);
  const std::size_t end = text.rfind(",\n \"hash\": ");
  text.resize(end);
  const std::uint64_t hash = checksum(std::as_bytes(std::span(text)));
  return text + ",\n \"hash\": \"" + hash_text(hash) + "\"\n}\n";
}

TEST_CASE("a manifest is read as it was written") {
  const std::string text = manifest_json(example());
  CHECK(parse_manifest("m", text) == example());
  CHECK(parse_manifest("m", manifest_json({})) == CheckpointManifest{});
  const auto json = nlohmann::json::parse(text);
  CHECK(json["hash"].get<std::string>().size() == 16);
  CHECK(json["state_hash"].get<std::string>() == hash_text(example().state_hash()));
}

TEST_CASE("every single bit of a manifest counts, and every byte at its end") {
  const std::string text = manifest_json(example());
  for (std::size_t bit = 0; bit < 8 * text.size(); ++bit) {
    std::string flipped = text;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << (bit % 8)));
    REQUIRE_THROWS_WITH(parse_manifest("m", flipped), Contains("[m] the manifest is damaged"));
  }
  for (std::size_t length = 0; length < text.size(); ++length) {
    REQUIRE_THROWS_AS(parse_manifest("m", text.substr(0, length)), Error);
  }
  CHECK_THROWS_WITH(parse_manifest("m", text + " "), Contains("damaged"));
  CHECK_THROWS_WITH(parse_manifest("m", ""), Contains("truncated"));
}

TEST_CASE("a manifest of another version is refused by its number") {
  CHECK_THROWS_WITH(
      parse_manifest("m", changed(manifest_json(example()), "\"stagecraft_checkpoint\": 1",
                                  "\"stagecraft_checkpoint\": 2")),
      Contains("[m] the checkpoint has version 2; this program reads version 1"));
}

TEST_CASE("what a manifest must not say is named") {
  const auto refused = [](const std::string& part, const std::string& by, const std::string& why) {
    CAPTURE(part, by);
    CHECK_THROWS_WITH(parse_manifest("m", changed(manifest_json(example()), part, by)),
                      Contains("[m] ") && Contains(why));
  };
  refused("\"samples\": 3200", "\"samples\": -1", "samples is not an integer from 0 on");
  refused("\"samples\": 3200", "\"samples\": 32.5", "samples is not an integer from 0 on");
  refused("\"samples\": 3200", "\"samples\": 9223372036854775808", "samples is too large");
  refused("\"samples\": 3200", "\"samples\": 1e999", "a number that is too large");
  refused("\"samples\": 3200,", "", "lacks the member \"samples\"");
  refused("\"samples\": 3200,", "\"samples\": 1, \"samples\": 1,", "the key \"samples\" occurs");
  refused("\"samples\": 3200", "\"sample\": 3200", "unknown member \"sample\"");
  refused("\"samples\": 3200", "\"samples\": [[[[[[[[[[1]]]]]]]]]]", "within each other");
  refused("\"stagecraft_checkpoint\"", "\"x\"", "not the manifest of a checkpoint");
  refused("\"evaluation_due\": true", "\"evaluation_due\": 1", "neither true nor false");
  refused("\"evaluation_due\": true", "\"evaluation_due\": tru", "not valid JSON");
  refused("rank-1.saf", "rank-0.saf", "the file \"rank-0.safetensors\" occurs twice");
  refused("rank-1.safetensors", "../x", "\"../x\" is no name of a file in the folder");
  refused("rank-1.safetensors", "manifest.json", "occurs twice");
  refused("\"name\": \"b\"", "\"name\": \"a\"", "tensor a occurs twice");
  refused("\"file\":1", "\"file\":2", "is in file 2, but there are 2 files");
  refused("\"end\":[4,3]", "\"end\":[4,4]", "a:weight[0:4,0:4] and a:weight[0:4,3:6] overlap");
  refused("\"end\":[4,3]", "\"end\":[4,2]", "tensor a, weight, have 20 of its 24 elements");
  refused("\"end\":[4,6]", "\"end\":[4,7]", "a:weight[0:4,3:7] is no part of the tensor [4, 6]");
  refused("\"end\":[4,6]", "\"end\":[4]", "is no part of the tensor");
  refused("\"shape\": [4,6]", "\"shape\": [4,4611686018427387904]", "too large");
  refused("\"shape\": [4,6]", "\"shape\": [1,1,1,1,4,6]", "tensors[0].shape has too many");
  refused("fedcba9876543210", "fedcba9876543211", "not the sum of the tensors' hashes");
  refused("fedcba9876543210", "Fedcba9876543210", "16 lower-case hexadecimal digits");
  CHECK_THROWS_WITH(parse_manifest("m", changed(manifest_json(example()), "train.seed",
                                                std::string("tr\0in", 5))),
                    Contains("zero byte"));
}

TEST_CASE("a loss that is not finite has no place in a manifest") {
  CheckpointManifest m = example();
  m.loss = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(manifest_json(m), Error);
}

TEST_CASE("a hash is 16 lower-case hexadecimal digits") {
  CHECK(hash_text(0) == "0000000000000000");
  CHECK(hash_text(0xABCDEF0123456789U) == "abcdef0123456789");
}

}  // namespace
}  // namespace stagecraft
