// What a peer says at the gate, and the answer: both of fixed size, so that nobody allocates or
// waits by what a stranger announces. Numbers are little-endian.
//
//   hello   magic 8 | version 24, zero-padded | rank 4 | secret 32
//   answer  magic 8 | version 24, of the gate | verdict 4
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

/// Can these first bytes become a hello?
bool begins_handshake(std::span<const std::byte> first_bytes);
/// Of bytes that begin so.
Handshake decode_handshake(const HandshakeBytes& bytes);
/// Throws Error: that is no gate.
Answer decode_answer(const AnswerBytes& bytes, const std::string& endpoint);

/// Takes as long whichever bytes differ, so that its time says nothing about the secret.
bool same_secret(const std::string& a, const std::string& b);

}  // namespace stagecraft
