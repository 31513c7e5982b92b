// RUN/claim as a file: who holds a run directory. See docs/file_formats/run_directory.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace stagecraft {

/// The contents of the file.
struct ClaimRecord {
  std::string run;    // the configuration's name
  std::string token;  // a random number: tells this claim from every other
  std::string host;
  std::string boot;  // of the host: its processes are gone after another
  int process = 0;
  std::int64_t started = 0;  // the process, in ticks since the boot
  int folders = 0;  // how many, the run directory and those above it, were made for the run
};

/// A random number that no other claim has.
std::string new_token();

/// A record of a process of this host, with a new token.
ClaimRecord claim_record(std::string_view run, int process, int folders);

std::string to_string(const ClaimRecord& record);

/// Whether the record is of this boot of this host, and its process lives.
bool process_lives(const ClaimRecord& record);

/// The claim's file in a run directory.
std::filesystem::path claim_file(const std::filesystem::path& folder);

/// The record of a folder's claim; empty fields if it has none.
ClaimRecord read_claim(const std::filesystem::path& folder);

}  // namespace stagecraft
