// Damaged headers and indices are read or refused, whatever the damage.
#include <catch2/catch.hpp>
#include <random>

#include "kernels/base/error.h"
#include "models/checkpoint/safetensors.h"
#include "models/checkpoint/safetensors_index.h"

namespace stagecraft {
namespace {

constexpr int kMutants = 10'000;

/// Pieces of text that a parser may trip over.
const std::vector<std::string> kPieces{"{",
                                       "}",
                                       "[",
                                       "]",
                                       ",",
                                       ":",
                                       "\"",
                                       "\\",
                                       "\\u0000",
                                       "\\ud800",
                                       std::string(1, '\0'),
                                       "\xFF",
                                       "null",
                                       "true",
                                       "-1",
                                       "0",
                                       "0.5",
                                       "1e999",
                                       "9223372036854775807",
                                       "18446744073709551616",
                                       "\"dtype\"",
                                       "\"shape\":[",
                                       "\"data_offsets\":[0,",
                                       "\"F32\"",
                                       "\"__metadata__\":{",
                                       "\"weight_map\":{",
                                       std::string(300, '['),
                                       std::string(300, '9')};

/// Draws mutants of a text: one to four changes each.
class Mutator {
 public:
  std::string mutant_of(std::string text) {
    for (int changes = 1 + below(4); changes > 0; --changes) {
      change(text);
    }
    return text;
  }

 private:
  int below(std::size_t end) { return static_cast<int>(random_() % end); }
  void change(std::string& text) {
    const auto at = static_cast<std::size_t>(below(text.size() + 1));
    const auto count = std::min(static_cast<std::size_t>(below(12)), text.size() - at);
    switch (below(5)) {
      case 0:
        text.erase(at, count);
        break;
      case 1:
        text.insert(at, kPieces[static_cast<std::size_t>(below(kPieces.size()))]);
        break;
      case 2:
        text.insert(at, text.substr(at, count * 8));
        break;
      case 3:
        text.resize(at);
        break;
      default:
        if (at < text.size()) {
          text[at] = static_cast<char>(below(256));
        }
    }
  }

  std::mt19937_64 random_{1};
};

/// How many mutants `read` accepts; the others are refused by an Error, which names the file.
template <typename F>
int accepted(const std::string& text, F read) {
  Mutator mutator;
  int count = 0;
  for (int i = 0; i < kMutants; ++i) {
    const std::string mutant = mutator.mutant_of(text);
    try {
      read(mutant);
      ++count;
    } catch (const Error& error) {
      REQUIRE(std::string_view(error.what()).starts_with("[file] "));
    }
  }
  return count;
}

std::string header() {
  std::vector<NamedShape> tensors;
  for (int i = 0; i < 4; ++i) {
    tensors.push_back({fmt::format("h.{}.attn.c_attn.weight", i), {2, i}});
  }
  return make_safetensors_header(tensors).bytes + std::string(48, '\1');
}

TEST_CASE("a damaged header is read or refused") {
  const int count = accepted(header(), [](const std::string& bytes) {
    const SafetensorsLayout layout =
        read_safetensors_layout("file", std::as_bytes(std::span(bytes)));
    for (const auto& [name, entry] : layout.entries) {
      REQUIRE(entry.begin >= 8);
      REQUIRE(entry.bytes >= 0);
      REQUIRE(entry.begin + entry.bytes <= static_cast<std::int64_t>(bytes.size()));
    }
  });
  CHECK(count > 0);
  CHECK(count < kMutants / 2);
}

TEST_CASE("a damaged index is read or refused") {
  const std::string text =
      R"({"metadata":{"total_size":48},"weight_map":{"a.weight":"model-00001-of-00002.safetensors",)"
      R"("a.bias":"model-00002-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}})";
  const int count = accepted(text, [](const std::string& mutant) {
    for (const auto& [tensor, file] : parse_safetensors_index("file", mutant)) {
      REQUIRE(file.find('/') == std::string::npos);
    }
  });
  CHECK(count > 0);
  CHECK(count < kMutants);
}

}  // namespace
}  // namespace stagecraft
