// What a disk may hold when the power goes: built from the list of calls that changed files.
//
// A file's bytes and size are on the disk since the last flush that returned; of what came after,
// any page of 4 KiB is old or new. A directory's names are on the disk since its last flush; of
// what came after, any change of a name is made or not. A rename, and an exchange, change both
// names or none.
#pragma once

#include <cstddef>
#include <filesystem>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "tests/kernels/base/memory_file_system.h"
#include "tests/kernels/base/observed_file_system.h"

namespace stagecraft::test {

/// Replays calls. The disk begins empty but for MemoryFileSystem::root().
class PowerLoss {
 public:
  PowerLoss();
  /// The next call, which has returned.
  void apply(const FileCall& call);
  /// Adversarial states of the disk at this point, each another one: nothing that was not flushed
  /// is there, all of it is, each single change of a name, all but each single one, and `random`
  /// mixtures with torn pages.
  std::vector<std::unique_ptr<MemoryFileSystem>> states(int random, std::mt19937& generator) const;

 private:
  /// A file or a directory, whatever its names are.
  struct Node {
    std::string durable;                               // a file's contents
    std::string current;                               //
    std::map<std::string, std::shared_ptr<Node>> now;  // a directory's names
    std::map<std::string, std::shared_ptr<Node>> kept;
    bool directory = false;
  };
  using NodePointer = std::shared_ptr<Node>;
  /// A change of names in one directory that is not on the disk yet. Null: the name is gone.
  struct Change {
    Node* directory = nullptr;
    std::map<std::string, NodePointer> names;
  };
  /// What of the changes is on the disk, and how torn the files are.
  struct Choice {
    std::vector<bool> changes;
    enum class Data { old_pages, torn, new_pages } data = Data::old_pages;
    unsigned seed = 0;
  };

  NodePointer find(const std::filesystem::path& path) const;
  void change(const std::filesystem::path& directory, std::map<std::string, NodePointer> names);
  std::vector<Choice> choices(int random, std::mt19937& generator) const;
  std::unique_ptr<MemoryFileSystem> disk(const Choice& choice) const;

  NodePointer root_;
  std::vector<Change> changes_;
};

}  // namespace stagecraft::test
