// Whole files: reads and atomic writes. Every error is an Error "[PATH] what the system said".
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "kernels/base/file_system.h"

namespace stagecraft {

std::string read_file(const std::filesystem::path& path);

/// Makes a file with these contents, in place of an earlier one, and flushes it. A failure leaves
/// no file.
void fill_file(FileSystem& files, const std::filesystem::path& path, std::string_view contents);

/// The file is whole or absent: filled beside under a temporary name, then published.
void write_file(FileSystem& files, const std::filesystem::path& path, std::string_view contents);
void write_file(const std::filesystem::path& path, std::string_view contents);

/// Gives a file that was flushed its final name, in place of an earlier one. When it returns, the
/// name is on the disk.
void publish_file(FileSystem& files, const std::filesystem::path& temporary,
                  const std::filesystem::path& path);

/// Makes the directory and those above it that are missing. When it returns, they are on the disk.
void make_directories(FileSystem& files, const std::filesystem::path& path);

/// Removes a file after a failure whose error matters more than this one.
void remove_quietly(FileSystem& files, const std::filesystem::path& path) noexcept;

/// The directory that a file lies in.
std::filesystem::path directory_of(const std::filesystem::path& path);

}  // namespace stagecraft
