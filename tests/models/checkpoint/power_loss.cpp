#include "tests/models/checkpoint/power_loss.h"

#include <algorithm>
#include <functional>
#include <utility>

#include "kernels/base/error.h"
#include "kernels/base/file.h"

namespace stagecraft::test {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kPage = 4096;

/// Each page old or new, and so is the size.
std::string torn(const std::string& old_bytes, const std::string& new_bytes,
                 std::mt19937& generator) {
  const auto coin = [&] { return generator() % 2 == 0; };
  std::string bytes(coin() ? old_bytes.size() : new_bytes.size(), '\0');
  for (std::size_t begin = 0; begin < bytes.size(); begin += kPage) {
    const std::string& from = coin() ? old_bytes : new_bytes;
    const std::size_t end = std::min({begin + kPage, bytes.size(), from.size()});
    for (std::size_t at = begin; at < end; ++at) {
      bytes[at] = from[at];
    }
  }
  return bytes;
}

}  // namespace

PowerLoss::PowerLoss() : root_(std::make_shared<Node>()) { root_->directory = true; }

PowerLoss::NodePointer PowerLoss::find(const fs::path& path) const {
  if (path == MemoryFileSystem::root()) {
    return root_;
  }
  const NodePointer parent = find(path.parent_path());
  const auto found = parent->now.find(path.filename().string());
  return found == parent->now.end() ? nullptr : found->second;
}

/// Changes names in a directory. They are on the disk when the directory is flushed.
void PowerLoss::change(const fs::path& directory, std::map<std::string, NodePointer> names) {
  const NodePointer node = find(directory);
  for (const auto& [name, to] : names) {
    node->now.erase(name);
    if (to != nullptr) {
      node->now[name] = to;
    }
  }
  changes_.push_back({node.get(), std::move(names)});
}

void PowerLoss::apply(const FileCall& call) {
  const fs::path parent = call.path.parent_path();
  const std::string name = call.path.filename().string();
  switch (call.kind) {
    case FileCallKind::create:
      if (find(call.path) == nullptr) {
        change(parent, {{name, std::make_shared<Node>()}});
      }
      find(call.path)->current.assign(static_cast<std::size_t>(call.offset), '\0');
      return;
    case FileCallKind::write: {
      const auto begin = static_cast<std::size_t>(call.offset);
      std::string& bytes = find(call.path)->current;
      bytes.resize(std::max(bytes.size(), begin + call.bytes.size()));
      bytes.replace(begin, call.bytes.size(), call.bytes);
      return;
    }
    case FileCallKind::sync: {
      const NodePointer file = find(call.path);
      file->durable = file->current;
      return;
    }
    case FileCallKind::make_directory:
      if (find(call.path) == nullptr) {
        const auto directory = std::make_shared<Node>();
        directory->directory = true;
        change(parent, {{name, directory}});
      }
      return;
    case FileCallKind::remove:
    case FileCallKind::remove_directory:
      if (find(call.path) != nullptr) {
        change(parent, {{name, nullptr}});
      }
      return;
    case FileCallKind::rename:
      require(call.to.parent_path() == parent, "PowerLoss", "a rename to another directory");
      change(parent, {{name, nullptr}, {call.to.filename().string(), find(call.path)}});
      return;
    case FileCallKind::exchange:
      require(call.to.parent_path() == parent, "PowerLoss", "an exchange with another directory");
      change(parent, {{name, find(call.to)}, {call.to.filename().string(), find(call.path)}});
      return;
    case FileCallKind::sync_directory: {
      const NodePointer directory = find(call.path);
      directory->kept = directory->now;
      std::erase_if(changes_,
                    [&](const Change& each) { return each.directory == directory.get(); });
      return;
    }
    case FileCallKind::open:
    case FileCallKind::open_for_reading:
    case FileCallKind::read:
    case FileCallKind::list:
      return;
  }
}

std::vector<PowerLoss::Choice> PowerLoss::choices(int random, std::mt19937& generator) const {
  using Data = Choice::Data;
  const std::size_t count = changes_.size();
  std::vector<Choice> all;
  for (const Data data : {Data::old_pages, Data::torn, Data::new_pages}) {
    const auto seed = static_cast<unsigned>(generator());
    all.push_back({std::vector<bool>(count, false), data, seed});
    all.push_back({std::vector<bool>(count, true), data, seed});
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back({std::vector<bool>(count, false), data, seed});
      all.back().changes[i] = true;
      all.push_back({std::vector<bool>(count, true), data, seed});
      all.back().changes[i] = false;
    }
  }
  for (int i = 0; i < random; ++i) {
    all.push_back({std::vector<bool>(count), Data::torn, static_cast<unsigned>(generator())});
    for (std::size_t change = 0; change < count; ++change) {
      all.back().changes[change] = generator() % 2 == 0;
    }
  }
  return all;
}

std::unique_ptr<MemoryFileSystem> PowerLoss::disk(const Choice& choice) const {
  std::mt19937 generator(choice.seed);
  auto files = std::make_unique<MemoryFileSystem>();
  const auto contents = [&](const Node& file) {
    return choice.data == Choice::Data::torn        ? torn(file.durable, file.current, generator)
           : choice.data == Choice::Data::old_pages ? file.durable
                                                    : file.current;
  };
  const std::function<void(const fs::path&, const Node&)> put = [&](const fs::path& path,
                                                                    const Node& directory) {
    std::map<std::string, NodePointer> names = directory.kept;
    for (std::size_t i = 0; i < changes_.size(); ++i) {
      if (choice.changes[i] && changes_[i].directory == &directory) {
        for (const auto& [name, to] : changes_[i].names) {
          names[name] = to;
        }
      }
    }
    for (const auto& [name, node] : names) {
      if (node != nullptr && node->directory) {
        files->make_directory(path / name);
        put(path / name, *node);
      } else if (node != nullptr) {
        fill_file(*files, path / name, contents(*node));
      }
    }
  };
  put(MemoryFileSystem::root(), *root_);
  return files;
}

std::vector<std::unique_ptr<MemoryFileSystem>> PowerLoss::states(int random,
                                                                 std::mt19937& generator) const {
  std::vector<std::unique_ptr<MemoryFileSystem>> all;
  for (const Choice& choice : choices(random, generator)) {
    all.push_back(disk(choice));
  }
  return all;
}

}  // namespace stagecraft::test
