#include "models/checkpoint/safetensors_json.h"

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace stagecraft {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMetadata = "__metadata__";
constexpr std::size_t kMaxDimensions = Shape::static_capacity;
constexpr std::size_t kLongestQuote = 200;  // maximum text of a broken file in an error message

struct NamedSize {
  std::string_view name;
  std::int64_t bytes;
};
constexpr std::array kDtypes{
    NamedSize{"BOOL", 1}, NamedSize{"U8", 1},      NamedSize{"I8", 1},  NamedSize{"F8_E4M3", 1},
    NamedSize{"U16", 2},  NamedSize{"F8_E5M2", 1}, NamedSize{"I16", 2}, NamedSize{"F16", 2},
    NamedSize{"BF16", 2}, NamedSize{"U32", 4},     NamedSize{"I32", 4}, NamedSize{"F32", 4},
    NamedSize{"U64", 8},  NamedSize{"I64", 8},     NamedSize{"F64", 8},
};

std::string shortened(std::string_view text) {
  return text.size() <= kLongestQuote ? std::string(text)
                                      : fmt::format("{}...", text.substr(0, kLongestQuote));
}

/// One tensor during parsing.
struct Draft {
  bool has_dtype = false, has_shape = false, has_offsets = false;
  std::string dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::int64_t> offsets;
};

/// Handles the parser's events. The format has no nesting below a tensor's lists, so any deeper
/// nesting is an error at its first bracket.
class HeaderEvents : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderEvents(const std::string& file) : file_(file) {}
  SafetensorsLayout take() { return std::move(layout_); }

  bool null() override { return unexpected("null"); }
  bool boolean(bool /*value*/) override { return unexpected("a boolean"); }
  bool number_integer(Json::number_integer_t /*value*/) override {
    return unexpected("a negative number");
  }
  bool number_float(Json::number_float_t /*value*/, const std::string& /*text*/) override {
    return unexpected("a number that is not an integer or is too large");
  }
  bool binary(Json::binary_t& /*value*/) override { return unexpected("binary data"); }
  bool number_unsigned(Json::number_unsigned_t value) override;
  bool string(std::string& value) override;
  bool start_object(std::size_t /*elements*/) override;
  bool key(std::string& name) override;
  bool end_object() override;
  bool start_array(std::size_t /*elements*/) override;
  bool end_array() override;
  bool parse_error(std::size_t position, const std::string& token,
                   const nlohmann::detail::exception& error) override;

 private:
  enum class State : std::uint8_t {
    outside,
    file,
    metadata_value,
    metadata,
    tensor_value,
    tensor,
    dtype,
    shape_value,
    shape,
    offsets_value,
    offsets
  };

  template <typename... Args>
  void check(bool holds, fmt::format_string<Args...> text, Args&&... args) const {
    if (!holds) [[unlikely]] {
      throw Error(file_, subject() + fmt::format(text, std::forward<Args>(args)...));
    }
  }
  std::string subject() const;
  bool unexpected(std::string_view what) const;
  void file_key(const std::string& name);
  void metadata_key(const std::string& name);
  void tensor_key(const std::string& name);
  void finish_tensor();
  std::int64_t checked_bytes() const;

  const std::string& file_;
  SafetensorsLayout layout_;
  State state_ = State::outside;
  std::string name_;  // the tensor or the metadata key being parsed
  bool seen_metadata_ = false;
  Draft draft_;
};

std::string HeaderEvents::subject() const {
  if (state_ == State::outside || state_ == State::file) {
    return "the header: ";
  }
  if (state_ == State::metadata || state_ == State::metadata_value) {
    return "the metadata: ";
  }
  return fmt::format("tensor \"{}\": ", shortened(name_));
}

bool HeaderEvents::unexpected(std::string_view what) const {
  const auto wanted = [this]() -> std::string_view {
    switch (state_) {
      case State::metadata_value:
      case State::tensor_value:
      case State::outside:
        return "an object";
      case State::metadata:
        return "a string";
      case State::dtype:
        return "the dtype's name";
      case State::shape:
        return "a size";
      case State::offsets:
        return "an offset";
      default:
        return "a list of integers";
    }
  }();
  check(false, "found {}, expected {}", what, wanted);
  return false;
}

bool HeaderEvents::number_unsigned(Json::number_unsigned_t value) {
  if (state_ != State::shape && state_ != State::offsets) {
    return unexpected("a number");
  }
  check(value <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()),
        "{} is too large", value);
  std::vector<std::int64_t>& list = state_ == State::shape ? draft_.shape : draft_.offsets;
  list.push_back(static_cast<std::int64_t>(value));
  check(draft_.shape.size() <= kMaxDimensions, "more than {} dimensions", kMaxDimensions);
  check(draft_.offsets.size() <= 2, "more than two data_offsets");
  return true;
}

bool HeaderEvents::string(std::string& value) {
  if (state_ == State::metadata) {
    layout_.metadata[name_] = value;
    return true;
  }
  if (state_ != State::dtype) {
    return unexpected("a string");
  }
  draft_.dtype = value;
  state_ = State::tensor;
  return true;
}

bool HeaderEvents::start_object(std::size_t /*elements*/) {
  switch (state_) {
    case State::outside:
      state_ = State::file;
      return true;
    case State::metadata_value:
      state_ = State::metadata;
      return true;
    case State::tensor_value:
      state_ = State::tensor;
      draft_ = {};
      return true;
    default:
      return unexpected("an object");
  }
}

bool HeaderEvents::key(std::string& name) {
  if (state_ == State::file) {
    file_key(name);
  } else if (state_ == State::metadata) {
    metadata_key(name);
  } else {
    tensor_key(name);
  }
  return true;
}

void HeaderEvents::file_key(const std::string& name) {
  check(name != kMetadata || !seen_metadata_, "the key \"{}\" occurs twice", name);
  check(!layout_.entries.contains(name), "the key \"{}\" occurs twice", shortened(name));
  name_ = name;
  seen_metadata_ = seen_metadata_ || name == kMetadata;
  state_ = name == kMetadata ? State::metadata_value : State::tensor_value;
}

void HeaderEvents::metadata_key(const std::string& name) {
  check(!layout_.metadata.contains(name), "the key \"{}\" occurs twice", shortened(name));
  name_ = name;
}

void HeaderEvents::tensor_key(const std::string& name) {
  const auto begin = [&](bool& seen, State state) {
    check(!std::exchange(seen, true), "the key \"{}\" occurs twice", name);
    state_ = state;
  };
  if (name == "dtype") {
    begin(draft_.has_dtype, State::dtype);
  } else if (name == "shape") {
    begin(draft_.has_shape, State::shape_value);
  } else if (name == "data_offsets") {
    begin(draft_.has_offsets, State::offsets_value);
  } else {
    check(false, "unknown key \"{}\"", shortened(name));
  }
}

bool HeaderEvents::start_array(std::size_t /*elements*/) {
  if (state_ == State::shape_value) {
    state_ = State::shape;
  } else if (state_ == State::offsets_value) {
    state_ = State::offsets;
  } else {
    return unexpected("a list");
  }
  return true;
}

bool HeaderEvents::end_array() {
  state_ = State::tensor;
  return true;
}

bool HeaderEvents::end_object() {
  if (state_ == State::tensor) {
    finish_tensor();
  }
  state_ = state_ == State::file ? State::outside : State::file;
  return true;
}

void HeaderEvents::finish_tensor() {
  check(draft_.has_dtype, "no dtype");
  check(draft_.has_shape, "no shape");
  check(draft_.has_offsets && draft_.offsets.size() == 2, "no data_offsets [begin, end]");
  const std::int64_t begin = draft_.offsets[0];
  const std::int64_t end = draft_.offsets[1];
  check(begin <= end, "data_offsets [{}, {}] end before they begin", begin, end);
  const std::int64_t bytes = checked_bytes();
  const Shape shape(draft_.shape.begin(), draft_.shape.end());
  check(bytes == end - begin, "{} {} needs {} bytes, but data_offsets [{}, {}] span {}",
        draft_.dtype, to_string(shape), bytes, begin, end, end - begin);
  layout_.entries.emplace(name_, SafetensorsEntry{draft_.dtype, shape, begin, bytes});
}

/// The number of bytes that dtype and shape need.
std::int64_t HeaderEvents::checked_bytes() const {
  const auto* dtype = std::find_if(kDtypes.begin(), kDtypes.end(), [this](const NamedSize& known) {
    return known.name == draft_.dtype;
  });
  check(dtype != kDtypes.end(), "\"{}\" is not a known dtype", shortened(draft_.dtype));
  std::int64_t bytes = dtype->bytes;
  for (const std::int64_t size : draft_.shape) {
    check(!__builtin_mul_overflow(bytes, size, &bytes), "the size in bytes exceeds 2^63");
  }
  return bytes;
}

bool HeaderEvents::parse_error(std::size_t position, const std::string& token,
                               const nlohmann::detail::exception& /*error*/) {
  throw Error(file_, fmt::format("the header is not valid JSON at byte {}, near \"{}\"", position,
                                 shortened(token)));
}

}  // namespace

SafetensorsLayout parse_safetensors_json(const std::string& file, std::string_view text) {
  // The parser treats a zero byte as the end and would ignore the rest.
  const std::size_t zero = text.find('\0');
  require(zero == std::string_view::npos, file, "the header contains a zero byte at byte {}",
          zero + 1);
  HeaderEvents events(file);
  Json::sax_parse(text.begin(), text.end(), &events);
  return events.take();
}

}  // namespace stagecraft
