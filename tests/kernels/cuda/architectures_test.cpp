#include "kernels/cuda/runtime/architectures.h"

#include <catch2/catch.hpp>

using stagecraft::cuda::has_code_for;

TEST_CASE("machine code runs on its generation from its version on, PTX on everything newer") {
  CHECK(has_code_for("90-real", 9, 0));
  CHECK_FALSE(has_code_for("90-real", 8, 0));
  CHECK_FALSE(has_code_for("90-real", 10, 0));
  CHECK(has_code_for("80-real 90-real", 8, 6));
  CHECK_FALSE(has_code_for("86-real", 8, 0));
  CHECK(has_code_for("80", 8, 9));
  CHECK(has_code_for("80-real 90", 9, 0));
  CHECK(has_code_for("80-real 90", 12, 0));
  CHECK_FALSE(has_code_for("80", 7, 5));
  CHECK_FALSE(has_code_for("", 9, 0));
}

TEST_CASE("PTX without the waits of kernels that start early is none for devices that start them") {
  CHECK_FALSE(has_code_for("80", 9, 0));
  CHECK_FALSE(has_code_for("80 90-real", 10, 0));
}
