// The rules of the rooms: who may include whom, and where a source is declared. They read the
// sources as text, because third-party headers all lie in one system folder, so linking cannot
// enforce them.
#pragma once

#include <filesystem>
#include <istream>
#include <string>
#include <vector>

namespace stagecraft::test {

/// One #include of one file. Paths are relative to the root of the repository.
struct Include {
  std::string file;
  int line = 0;
  std::string name;
  bool quoted = false;
};

/// A rule that a file breaks. `line` is 0 where it is about the whole file.
struct Violation {
  std::string file;
  int line = 0;
  std::string text;
};

std::vector<Include> includes_of(std::istream& stream, const std::string& file);

/// Which rule `include` breaks; empty when it is allowed.
std::string broken_rule(const Include& include);

/// Includes that are not allowed, files that lie in no sub-room, and sources that no header of
/// their own declares, in all rooms below `root`. Throws std::runtime_error where a room is
/// missing.
std::vector<Violation> violations_in(const std::filesystem::path& root);

}  // namespace stagecraft::test
