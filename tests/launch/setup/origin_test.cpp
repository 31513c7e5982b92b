#include "launch/setup/origin.h"

#include <catch2/catch.hpp>

#include "tests/launch/example_config.h"

using namespace stagecraft;

namespace {

TextData text_of(const std::string& train, const std::string& validation) {
  const auto dataset = [](const std::string& text) {
    return std::make_shared<const TokenDataset>(std::vector<std::uint8_t>(text.begin(), text.end()),
                                                2);
  };
  return {dataset(train), validation.empty() ? nullptr : dataset(validation)};
}

BackendReport cpu(const std::string& processor, const std::string& version) {
  return {.parts = {{"cores", "16"},
                    {"processor", processor},
                    {"instructions", "AVX2"},
                    {"oneDNN", version}}};
}

}  // namespace

TEST_CASE("the fingerprint of the data is that of its bytes, and where validation begins") {
  const std::string plain = data_origin(text_of("abcdef", "gh"));
  CHECK_THAT(plain, Catch::StartsWith("train 6 tokens, XXH3 ") &&
                        Catch::Contains("; validation 2 tokens, XXH3 "));
  CHECK(plain == data_origin(text_of("abcdef", "gh")));
  CHECK(plain != data_origin(text_of("abcdeg", "gh")));
  CHECK(plain != data_origin(text_of("abcdef", "gi")));
  CHECK(plain != data_origin(text_of("abcde", "fgh")));
  CHECK(data_origin(text_of("abcdef", "")) == plain.substr(0, plain.find(';')));
}

TEST_CASE("a run's origin names its program, device, libraries, data and split") {
  const ResolvedRun run = resolve(example(), 2);
  const Origin origin = origin_of(run, text_of("abcdef", ""));
  CHECK_THAT(origin.at("program"), Catch::StartsWith("stagecraft "));
  CHECK(origin.at("backend") == "cpu");
  CHECK_THAT(origin.at("libraries"), Catch::StartsWith("oneDNN ") && !Catch::Contains("unknown"));
  CHECK(origin.at("data") == data_origin(text_of("abcdef", "")));
  CHECK(origin.at("split") == "pipeline 2 x tensor 1 x data 1");
  CHECK(moved_origin(origin, origin).empty());
}

TEST_CASE("device and libraries are what the backend reports") {
  CHECK(device_origin(DeviceKind::cpu, cpu("A", "3.1.0"), 0) == "A, AVX2");
  CHECK(library_origin(DeviceKind::cpu, cpu("A", "3.1.0"), "") == "oneDNN 3.1.0");
  const BackendReport cuda{
      .parts = {{"toolkit", "13.0"}, {"driver", "x"}, {"cublasLt", "13.1.0"}, {"cuDNN", "9.19"}},
      .devices = {{.name = "NVIDIA H100", .architecture = "9.0"},
                  {.name = "NVIDIA A100", .architecture = "8.0"}}};
  CHECK(device_origin(DeviceKind::cuda, cuda, 1) == "NVIDIA A100, architecture 8.0");
  CHECK(device_origin(DeviceKind::cuda, cuda, 2) == "unknown");
  CHECK(library_origin(DeviceKind::cuda, cuda, "2.28.9") ==
        "toolkit 13.0, cublasLt 13.1.0, cuDNN 9.19, NCCL 2.28.9");
}

TEST_CASE("another program, device or library moves bits; split and data are told by others") {
  const Origin was = {{"program", "stagecraft 1"},
                      {"device", "A"},
                      {"libraries", "x"},
                      {"data", "d"},
                      {"split", "s"}};
  CHECK(moved_origin(was, {{"program", "stagecraft 1"},
                           {"device", "A"},
                           {"libraries", "x"},
                           {"data", "e"},
                           {"split", "t"}})
            .empty());
  CHECK(moved_origin(was, {{"program", "stagecraft 1"}, {"device", "B"}}) ==
        "device was A and is B, libraries was x and is unknown");
}
