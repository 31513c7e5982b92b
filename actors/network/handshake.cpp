#include "actors/network/handshake.h"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "kernels/base/error.h"

namespace stagecraft {
namespace {

constexpr std::string_view kHelloMagic = "STAGE\r\n\x01";
constexpr std::string_view kAnswerMagic = "GATE \r\n\x01";
constexpr std::size_t kMagicBytes = 8;
static_assert(kHelloMagic.size() == kMagicBytes && kAnswerMagic.size() == kMagicBytes);

template <std::size_t N>
class Writer {
 public:
  /// Writes `text` into a field of `size` bytes.
  void text(std::string_view text, std::size_t size) {
    require(text.size() <= size, "handshake", "{} bytes in a field of {}", text.size(), size);
    std::memcpy(bytes_.data() + at_, text.data(), text.size());
    at_ += size;
  }
  void number(std::uint32_t value) {
    for (int shift = 0; shift < 32; shift += 8) {
      bytes_[at_++] = static_cast<std::byte>(value >> shift);
    }
  }
  std::array<std::byte, N> take() const { return bytes_; }

 private:
  std::array<std::byte, N> bytes_{};
  std::size_t at_ = 0;
};

class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::string text(std::size_t size) {
    const auto* first = reinterpret_cast<const char*>(bytes_.data() + at_);
    at_ += size;
    return {first, size};
  }
  std::string padded(std::size_t size) {
    std::string value = text(size);
    value.resize(std::min(value.find('\0'), value.size()));
    return value;
  }
  std::uint32_t number() {
    std::uint32_t value = 0;
    for (int shift = 0; shift < 32; shift += 8) {
      value |= std::to_integer<std::uint32_t>(bytes_[at_++]) << shift;
    }
    return value;
  }

 private:
  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
};

}  // namespace

HandshakeBytes encode(const Handshake& handshake) {
  Writer<kHandshakeBytes> writer;
  writer.text(kHelloMagic, kMagicBytes);
  writer.text(handshake.version, kVersionBytes);
  writer.number(static_cast<std::uint32_t>(handshake.rank));
  writer.text(handshake.secret, kSecretBytes);
  return writer.take();
}

AnswerBytes encode(const Answer& answer) {
  Writer<kAnswerBytes> writer;
  writer.text(kAnswerMagic, kMagicBytes);
  writer.text(answer.version, kVersionBytes);
  writer.number(static_cast<std::uint32_t>(answer.verdict));
  return writer.take();
}

bool begins_handshake(std::span<const std::byte> first_bytes) {
  const std::size_t count = std::min(first_bytes.size(), kMagicBytes);
  return std::memcmp(first_bytes.data(), kHelloMagic.data(), count) == 0;
}

Handshake decode_handshake(const HandshakeBytes& bytes) {
  Reader reader(bytes);
  reader.text(kMagicBytes);
  Handshake handshake;
  handshake.version = reader.padded(kVersionBytes);
  handshake.rank = static_cast<std::int32_t>(reader.number());
  handshake.secret = reader.text(kSecretBytes);
  return handshake;
}

Answer decode_answer(const AnswerBytes& bytes, const std::string& endpoint) {
  Reader reader(bytes);
  require(reader.text(kMagicBytes) == kAnswerMagic, endpoint, "another program listens there");
  Answer answer;
  answer.version = reader.padded(kVersionBytes);
  answer.verdict = static_cast<HandshakeVerdict>(reader.number());
  return answer;
}

bool same_secret(const std::string& a, const std::string& b) {
  if (a.size() != kSecretBytes || b.size() != kSecretBytes) {
    return false;
  }
  volatile unsigned difference = 0;  // volatile: the loop may not end early
  for (std::size_t i = 0; i < kSecretBytes; ++i) {
    difference = difference | static_cast<unsigned>(static_cast<unsigned char>(a[i] ^ b[i]));
  }
  return difference == 0;
}

}  // namespace stagecraft
