// The handshake that a client sends, and the listener's answer. Both have a fixed size, so that no
// length announced by a foreign client causes an allocation or a wait. Numbers are little-endian.
//
//   handshake  magic 8 | version 24, zero-padded | rank 4 | secret 32
//   answer     magic 8 | version 24, of the listener | verdict 4
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace stagecraft {

inline constexpr std::size_t kSecretBytes = 32;
inline constexpr std::size_t kVersionBytes = 24;
inline constexpr std::size_t kHandshakeBytes = 8 + kVersionBytes + 4 + kSecretBytes;
inline constexpr std::size_t kAnswerBytes = 8 + kVersionBytes + 4;

struct Handshake {
  std::string version;  // at most kVersionBytes; of program and protocol
  std::int32_t rank = 0;
  std::string secret;  // of the run, kSecretBytes
};

enum class HandshakeVerdict : std::uint32_t { admitted = 1, other_version = 2, other_run = 3 };

struct Answer {
  std::string version;
  HandshakeVerdict verdict = HandshakeVerdict::admitted;
};

using HandshakeBytes = std::array<std::byte, kHandshakeBytes>;
using AnswerBytes = std::array<std::byte, kAnswerBytes>;

HandshakeBytes encode(const Handshake& handshake);
AnswerBytes encode(const Answer& answer);

/// Whether a handshake may begin with these bytes.
bool begins_handshake(std::span<const std::byte> first_bytes);
/// REQUIRES: begins_handshake(bytes).
Handshake decode_handshake(const HandshakeBytes& bytes);
/// Throws Error when the bytes are not an answer, so that `endpoint` is not a handshake listener.
Answer decode_answer(const AnswerBytes& bytes, const std::string& endpoint);

/// Takes the same time wherever the bytes differ, so that it reveals nothing about the secret.
bool same_secret(const std::string& a, const std::string& b);

}  // namespace stagecraft
