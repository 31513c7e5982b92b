#include "models/checkpoint/safetensors.h"

#include <catch2/catch.hpp>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

std::string length_of(std::uint64_t length) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) {
    bytes += static_cast<char>((length >> (8 * i)) & 0xFF);
  }
  return bytes;
}

/// A file with this header and `data_bytes` bytes of data.
std::string file_of(const std::string& json, std::size_t data_bytes) {
  return length_of(json.size()) + json + std::string(data_bytes, '\1');
}

SafetensorsLayout read(const std::string& file) {
  return read_safetensors_layout("dir/x.safetensors", std::as_bytes(std::span(file)));
}

std::string failure_of(const std::string& file) {
  try {
    read(file);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// The error text for a file with one tensor "a", whose JSON value is `body`, and 8 bytes of data.
std::string tensor_failure(const std::string& body) {
  return failure_of(file_of(R"({"a":)" + body + "}", 8));
}

const std::string kGood = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";

TEST_CASE("a header contains names, dtypes, shapes, offsets and metadata") {
  const std::string json = R"({"__metadata__":{"format":"pt","note":"\u00e9"},)"
                           R"("b":{"shape":[2,3],"data_offsets":[4,16],"dtype":"BF16"},)"
                           R"("empty":{"dtype":"F64","shape":[0,7],"data_offsets":[4,4]},)"
                           R"("a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}   )";
  const SafetensorsLayout layout = read(file_of(json, 16));
  const auto data = static_cast<std::int64_t>(8 + json.size());
  CHECK(layout.file_bytes == data + 16);
  CHECK(layout.metadata ==
        std::map<std::string, std::string>{{"format", "pt"}, {"note", "\xC3\xA9"}});
  REQUIRE(layout.entries.size() == 3);
  CHECK(layout.entries.at("b").dtype == "BF16");
  CHECK(layout.entries.at("b").shape == Shape{2, 3});
  CHECK(layout.entries.at("b").begin == data + 4);
  CHECK(layout.entries.at("b").bytes == 12);
  CHECK(layout.entries.at("a").shape.empty());
  CHECK(layout.entries.at("a").begin == data);
  CHECK(layout.entries.at("empty").bytes == 0);
  CHECK(read(file_of("{}", 0)).entries.empty());
}

TEST_CASE("a header that was written can be read") {
  const std::vector<NamedShape> tensors{{"z", {2, 3}}, {"a \"b\"\\", {4}}, {"scalar", {}}};
  const SafetensorsHeader header = make_safetensors_header(tensors);
  CHECK(header.bytes.size() % 8 == 0);
  const std::string file = header.bytes + std::string(11 * 4, '\0');
  const SafetensorsLayout layout = read(file);
  CHECK(layout.file_bytes == header.layout.file_bytes);
  CHECK(layout.metadata == std::map<std::string, std::string>{{"format", "pt"}});
  auto begin = static_cast<std::int64_t>(header.bytes.size());
  for (const NamedShape& tensor : tensors) {
    CAPTURE(tensor.name);
    const SafetensorsEntry& entry = layout.entries.at(tensor.name);
    CHECK(entry.dtype == "F32");
    CHECK(entry.shape == tensor.shape);
    CHECK(entry.begin == begin);
    CHECK(entry.begin == header.layout.entries.at(tensor.name).begin);
    CHECK(entry.bytes == header.layout.entries.at(tensor.name).bytes);
    begin += entry.bytes;
  }
  CHECK(begin == layout.file_bytes);
  CHECK_THROWS_WITH(make_safetensors_header({{"a", {1}}, {"a", {2}}}),
                    Contains("tensor \"a\" occurs twice"));
}

TEST_CASE("rules for lengths") {
  CHECK(failure_of("1234567") ==
        "[dir/x.safetensors] the file has 7 bytes; a safetensors file begins with a length of 8 "
        "bytes");
  CHECK_THAT(failure_of(length_of(100'000'001) + "{}"),
             Contains("the header would have 100000001 bytes; at most 100000000 are allowed"));
  CHECK_THAT(failure_of(length_of(~std::uint64_t{0}) + "{}"), Contains("18446744073709551615"));
  CHECK_THAT(failure_of(length_of(3) + "{}"),
             Contains("the header would have 3 bytes, but only 2 bytes follow its length"));
  CHECK_THAT(failure_of(length_of(0)), Contains("the header does not begin with '{'"));
  CHECK_THAT(failure_of(file_of(" {}", 0)), Contains("the header does not begin with '{'"));
}

TEST_CASE("rules for the order of data") {
  const auto two = [](const std::string& a, const std::string& b, std::size_t data_bytes) {
    return failure_of(file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + a +
                                  R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + b + "}}",
                              data_bytes));
  };
  CHECK(two("[0,4]", "[4,8]", 8) == "no error");
  CHECK(two("[4,8]", "[0,4]", 8) == "no error");
  CHECK_THAT(two("[0,4]", "[3,7]", 7),
             Contains("tensor \"b\" begins at data byte 3 and overlaps a, which ends at 4"));
  CHECK_THAT(two("[0,4]", "[0,4]", 4), Contains("overlaps"));
  CHECK_THAT(two("[0,4]", "[6,10]", 10),
             Contains("data bytes 4 .. 5 between a and tensor \"b\" belong to no tensor"));
  CHECK_THAT(two("[1,5]", "[5,9]", 9),
             Contains("data bytes 0 .. 0 between the header and tensor \"a\""));
  CHECK_THAT(two("[0,4]", "[4,8]", 7),
             Contains("truncated: the tensors end at data byte 8, the file at 7"));
  CHECK_THAT(two("[0,4]", "[4,8]", 9),
             Contains("1 bytes follow the last tensor, which ends at data byte 8"));
}

TEST_CASE("rules for one tensor") {
  CHECK(tensor_failure(kGood) == "no error");
  const auto with = [](const std::string& from, const std::string& to) {
    std::string body = kGood;
    return tensor_failure(body.replace(body.find(from), from.size(), to));
  };
  CHECK(with("[2]", "[3]") ==
        "[dir/x.safetensors] tensor \"a\": F32 [3] needs 12 bytes, but data_offsets [0, 8] span 8");
  CHECK_THAT(with("F32", "F31"), Contains("\"F31\" is not a known dtype"));
  CHECK_THAT(with("\"F32\"", "32"), Contains("found a number, expected the dtype's name"));
  CHECK_THAT(with("[2]", "[1,1,1,1,1,2]"), Contains("more than 5 dimensions"));
  CHECK_THAT(with("[2]", "[4294967296,4294967296]"), Contains("the size in bytes exceeds 2^63"));
  CHECK_THAT(with("[2]", "[9223372036854775808]"), Contains("9223372036854775808 is too large"));
  CHECK_THAT(with("[2]", "[18446744073709551618]"), Contains("not an integer or is too large"));
  CHECK_THAT(with("[2]", "[-2]"), Contains("found a negative number, expected a size"));
  CHECK_THAT(with("[2]", "[2.0]"), Contains("not an integer"));
  CHECK_THAT(with("[2]", "[\"2\"]"), Contains("found a string, expected a size"));
  CHECK_THAT(with("[2]", "[[2]]"), Contains("found a list, expected a size"));
  CHECK_THAT(with("[2]", "2"), Contains("found a number, expected a list of integers"));
  CHECK_THAT(with("[2]", "{}"), Contains("found an object, expected a list of integers"));
  CHECK_THAT(with("[0,8]", "[8,0]"), Contains("data_offsets [8, 0] end before they begin"));
  CHECK_THAT(with("[0,8]", "[0,8,8]"), Contains("more than two data_offsets"));
  CHECK_THAT(with("[0,8]", "[0]"), Contains("no data_offsets [begin, end]"));
  CHECK_THAT(with("[0,8]", "[9223372036854775799,9223372036854775807]"),
             Contains("data bytes 0 .. 9223372036854775798"));
  CHECK_THAT(with("\"dtype\":\"F32\",", ""), Contains("tensor \"a\": no dtype"));
  CHECK_THAT(with("\"shape\":[2],", ""), Contains("tensor \"a\": no shape"));
  CHECK_THAT(with(",\"data_offsets\":[0,8]", ""), Contains("tensor \"a\": no data_offsets"));
  CHECK_THAT(with("[2]", "[2],\"shape\":[2]"), Contains("the key \"shape\" occurs twice"));
  CHECK_THAT(with("[2]", "[2],\"stride\":[1]"), Contains("unknown key \"stride\""));
  CHECK_THAT(tensor_failure("null"), Contains("tensor \"a\": found null, expected an object"));
  CHECK_THAT(tensor_failure("[]"), Contains("tensor \"a\": found a list, expected an object"));
}

TEST_CASE("rules for the JSON") {
  CHECK_THAT(failure_of(file_of(R"({"a":)" + kGood + R"(,"a":)" + kGood + "}", 8)),
             Contains("the key \"a\" occurs twice"));
  CHECK_THAT(failure_of(file_of(R"({"__metadata__":{},"__metadata__":{}})", 0)),
             Contains("the key \"__metadata__\" occurs twice"));
  CHECK_THAT(failure_of(file_of(R"({"__metadata__":{"k":"1","k":"2"}})", 0)),
             Contains("the metadata: the key \"k\" occurs twice"));
  CHECK_THAT(failure_of(file_of(R"({"__metadata__":{"k":1}})", 0)),
             Contains("the metadata: found a number, expected a string"));
  CHECK_THAT(failure_of(file_of(R"({"__metadata__":"k"})", 0)),
             Contains("the metadata: found a string, expected an object"));
  CHECK_THAT(failure_of(file_of(R"({"a":)" + kGood, 8)), Contains("not valid JSON at byte"));
  CHECK_THAT(failure_of(file_of("{} x", 0)), Contains("not valid JSON at byte 4"));
  CHECK_THAT(failure_of(file_of("{\"\xFF\":1}", 0)), Contains("not valid JSON"));
  CHECK_THAT(failure_of(file_of(std::string("{}\0x", 4), 0)),
             Contains("the header contains a zero byte at byte 3"));
}

TEST_CASE("deep nesting stops early, and long texts give short messages") {
  const std::string deep = failure_of(file_of("{\"a\":" + std::string(1'000'000, '['), 0));
  CHECK_THAT(deep, Contains("found a list, expected an object"));
  const std::string word = failure_of(file_of("{\"" + std::string(1'000'000, 'x') + "\":1}", 0));
  CHECK(word.size() < 400);
  const std::string token = failure_of(file_of("{\"a" + std::string(1'000'000, 'x'), 0));
  CHECK_THAT(token, Contains("not valid JSON"));
  CHECK(token.size() < 400);
}

}  // namespace
}  // namespace stagecraft
