#include "models/checkpoint/safetensors_index.h"

#include <catch2/catch.hpp>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

using Catch::Matchers::Contains;

std::string failure_of(const std::string& text) {
  try {
    parse_safetensors_index("dir/index.json", text);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

/// The error for an index with this file name.
std::string file_failure(const std::string& name) {
  return failure_of(R"({"weight_map":{"a":)" + name + "}}");
}

TEST_CASE("an index has the file of each tensor") {
  CHECK(parse_safetensors_index("f", R"({"metadata":{"total_size":12,"more":{"x":[1.5]}},)"
                                     R"("weight_map":{"a":"1.safetensors","b":"2.safetensors",)"
                                     R"("c":"1.safetensors"},"other":null})") ==
        std::map<std::string, std::string>{
            {"a", "1.safetensors"}, {"b", "2.safetensors"}, {"c", "1.safetensors"}});
  CHECK(parse_safetensors_index("f", R"({"weight_map":{}})").empty());
}

TEST_CASE("an index outside of the format is refused by its file") {
  CHECK(failure_of("[]") ==
        "[dir/index.json] is not an object with the member \"weight_map\"; save the model again");
  CHECK_THAT(failure_of("{}"), Contains("weight_map"));
  CHECK_THAT(failure_of("3"), Contains("weight_map"));
  CHECK_THAT(failure_of(""), Contains("not valid JSON"));
  CHECK_THAT(failure_of(R"({"weight_map":{"a":"b"})"), Contains("not valid JSON at byte"));
  CHECK_THAT(failure_of(R"({"weight_map":["a"]})"), Contains("weight_map is not an object"));
  CHECK_THAT(failure_of(R"({"weight_map":{"a":"f","a":"g"}})"), Contains("\"a\" occurs twice"));
  CHECK_THAT(failure_of(R"({"weight_map":{},"weight_map":{}})"), Contains("occurs twice"));
  CHECK_THAT(failure_of(R"({"metadata":)" + std::string(100'000, '[')),
             Contains("within each other"));
}

TEST_CASE("a tensor lies in a file beside the index, and nowhere else") {
  CHECK(file_failure(R"("x.safetensors")") == "no error");
  CHECK(file_failure(R"("../x.safetensors")") ==
        "[dir/index.json] tensor a is said to lie in \"../x.safetensors\", which is not the name "
        "of a file in this folder");
  for (const char* name : {R"("")", R"(".")", R"("..")", R"("/etc/x")", R"("a/b")"}) {
    CAPTURE(name);
    CHECK_THAT(file_failure(name), Contains("not the name of a file in this folder"));
  }
  CHECK_THAT(file_failure(R"("a\u0000b")"), Contains("not the name of a file in this folder"));
  CHECK_THAT(file_failure("3"), Contains("weight_map.a is not a string"));
}

}  // namespace
}  // namespace stagecraft
