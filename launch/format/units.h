// Numbers formatted for people.
#pragma once

#include <cstdint>
#include <string>

namespace stagecraft {

std::string bytes_text(std::int64_t bytes);      // "45.3 MiB"
std::string count_text(std::int64_t count);      // "3.32 M"
std::string seconds_text(double seconds);        // "1 h 02 min", "3 min 05 s", "12.3 s"
std::string percent_text(double share);          // "11.1 %"
std::string throughput_text(double per_second);  // "9,740", "4.20": no fraction from 10 on
std::string with_separators(std::int64_t count);

}  // namespace stagecraft
