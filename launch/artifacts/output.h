// What a person asked a command to write: to standard output, or to a path, which may be a device,
// a pipe or a symbolic link.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace stagecraft {

/// The path that stands for standard output.
inline constexpr const char* kStandardOutput = "-";

/// Prints to standard output and flushes it. Throws Error when that fails.
void print_output(std::string_view text);

/// Writes where a shell's `>` would. A regular file is whole or absent, and takes the place of an
/// earlier one in one step. A symbolic link stays: the file that it names is replaced. Anything
/// else, such as a device or a pipe, is written in place. A path that is standard output by
/// another name, such as /dev/stdout, is standard output. Throws Error.
void write_output(const std::filesystem::path& path, std::string_view contents);

/// Why write_output() cannot write there, as far as it is known before; "" if nothing is.
std::string output_fault(const std::filesystem::path& path);

/// Throws BadInput with the option's name if there is an output_fault(). Accepts "".
void check_output_option(std::string_view option, const std::filesystem::path& path);

}  // namespace stagecraft
