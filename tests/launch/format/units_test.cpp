#include "launch/format/units.h"

#include <catch2/catch.hpp>

using namespace stagecraft;

TEST_CASE("numbers are formatted for people") {
  CHECK(bytes_text(0) == "0 B");
  CHECK(bytes_text(1023) == "1023 B");
  CHECK(bytes_text(1536) == "1.50 KiB");
  CHECK(bytes_text(47'500'000) == "45.3 MiB");
  CHECK(count_text(3'320'000) == "3.32 M");
  CHECK(count_text(12) == "12");
  CHECK(seconds_text(1.234) == "1.23 s");
  CHECK(seconds_text(12.34) == "12.3 s");
  CHECK(seconds_text(185) == "3 min 05 s");
  CHECK(seconds_text(3720) == "1 h 02 min");
  CHECK(percent_text(0.1111) == "11.1 %");
  CHECK(with_separators(0) == "0");
  CHECK(with_separators(999) == "999");
  CHECK(with_separators(-1234567) == "-1,234,567");
  CHECK(throughput_text(1.5) == "1.50");
  CHECK(throughput_text(9740.4) == "9,740");
}
