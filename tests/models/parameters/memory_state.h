// The state of whole parameters in memory, for tests.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "models/parameters/parameter_state.h"

namespace stagecraft::test {

/// A number that is unique among the kinds and elements of a parameter.
inline float state_value(StateKind kind, std::size_t parameter, std::int64_t element) {
  return static_cast<float>(static_cast<int>(kind) + 1) * 1e6F +
         static_cast<float>(parameter * 20011 + static_cast<std::size_t>(element));
}

/// Puts pieces together, and gives them out. Counts how often each element was written.
class MemoryState : public StateWriter, public StateReader {
 public:
  struct Whole {
    std::vector<float> values;
    std::vector<int> writes;
    friend bool operator==(const Whole&, const Whole&) = default;
  };
  using Key = std::pair<StateKind, std::string>;

  MemoryState() = default;
  /// All kinds of state of these parameters, each element with its state_value().
  explicit MemoryState(const std::vector<ParameterSpec>& parameters) {
    for (const StateKind kind : kStateKinds) {
      for (std::size_t p = 0; p < parameters.size(); ++p) {
        Whole& whole = at({parameters[p], kind, {}});
        for (std::size_t i = 0; i < whole.values.size(); ++i) {
          whole.values[i] = state_value(kind, p, static_cast<std::int64_t>(i));
          whole.writes[i] = 1;
        }
      }
    }
  }

  void write(const StatePiece& piece, std::span<const float> values) override {
    const std::lock_guard lock(mutex_);
    Whole& whole = at(piece);
    for_each_run(piece, values.size(), [&](std::size_t at, std::size_t from, std::size_t count) {
      for (std::size_t i = 0; i < count; ++i) {
        whole.values.at(at + i) = values[from + i];
        ++whole.writes.at(at + i);
      }
    });
  }
  void read(const StatePiece& piece, std::span<float> values) const override {
    const Whole& whole = wholes_.at({piece.kind, piece.parameter.name});
    for_each_run(piece, values.size(), [&](std::size_t at, std::size_t to, std::size_t count) {
      std::copy_n(whole.values.begin() + static_cast<std::ptrdiff_t>(at), count,
                  values.begin() + static_cast<std::ptrdiff_t>(to));
    });
  }
  const std::map<Key, Whole>& wholes() const { return wholes_; }

 private:
  /// Calls f(element of the parameter, element of the piece, count).
  template <typename F>
  static void for_each_run(const StatePiece& piece, std::size_t elements, F f) {
    std::size_t done = 0;
    for (const ElementRun& run : runs_of(piece.box, piece.parameter.shape)) {
      f(static_cast<std::size_t>(run.begin), done, static_cast<std::size_t>(run.count));
      done += static_cast<std::size_t>(run.count);
    }
    require(done == elements, "MemoryState", "{} elements for a box of {}", elements, done);
  }

  Whole& at(const StatePiece& piece) {
    Whole& whole = wholes_[{piece.kind, piece.parameter.name}];
    whole.values.resize(static_cast<std::size_t>(elements_of(piece.parameter.shape)));
    whole.writes.resize(whole.values.size());
    return whole;
  }

  std::map<Key, Whole> wholes_;
  std::mutex mutex_;
};

}  // namespace stagecraft::test
