// The text of the Error, or the culprit of the AbortedError, that a call throws; "" if it returns.
#pragma once

#include <string>

#include "kernels/base/error.h"

namespace stagecraft::test {

template <typename F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

template <typename F>
std::string culprit_of(F&& f) {
  try {
    f();
  } catch (const AbortedError& error) {
    return error.culprit();
  }
  return {};
}

}  // namespace stagecraft::test
