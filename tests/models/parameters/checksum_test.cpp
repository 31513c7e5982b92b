#include "models/parameters/checksum.h"

#include <catch2/catch.hpp>
#include <string>

namespace stagecraft {
namespace {

std::uint64_t checksum_of(const std::string& text) {
  return checksum(std::as_bytes(std::span(text)));
}

/// Byte i is 7i modulo 256.
std::string bytes(std::size_t count) {
  std::string all(count, '\0');
  for (std::size_t i = 0; i < count; ++i) {
    all[i] = static_cast<char>(7 * i);
  }
  return all;
}

TEST_CASE("the checksum is XXH3, of every length") {
  // xxh3_64_intdigest of the Python package xxhash 3 (library 0.8.4).
  CHECK(checksum_of("") == 0x2d06800538d394c2);
  CHECK(checksum_of("a") == 0xe6c632b61e964e1f);
  CHECK(checksum_of("stagecraft") == 0xf871908581a3d99a);
  CHECK(checksum_of(bytes(200)) == 0x7c64f3b17285e96a);
  CHECK(checksum_of(bytes(100000)) == 0x01271d2740e5fca3);
}

}  // namespace
}  // namespace stagecraft
