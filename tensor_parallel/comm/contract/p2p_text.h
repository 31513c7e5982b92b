// Short texts over a P2P transport.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "tensor_parallel/comm/contract/p2p_transport.h"

namespace stagecraft {

/// A text on its way to or from another rank. Its destructor abandons it if it was not waited for.
class P2pText {
 public:
  /// The longest text, in bytes.
  static constexpr std::size_t kMax = 255;

  /// Both start the transfer and return at once; as P2pTransport::send and receive.
  static P2pText send(P2pTransport& p2p, int to, int tag, const std::string& text);
  static P2pText receive(P2pTransport& p2p, int from, int tag);
  ~P2pText();
  P2pText(P2pText&& other) noexcept;
  P2pText& operator=(P2pText&&) = delete;
  P2pText(const P2pText&) = delete;
  P2pText& operator=(const P2pText&) = delete;

  /// Returns the text when it has been sent or has arrived. Call it once. Throws AbortedError.
  std::string wait();

 private:
  using Bytes = std::array<char, kMax + 1>;  // ends in zeros

  explicit P2pText(P2pTransport& p2p) : p2p_(p2p), bytes_(std::make_shared<Bytes>()) {}

  P2pTransport& p2p_;
  std::shared_ptr<Bytes> bytes_;
  std::optional<P2pTransport::Ticket> ticket_;
};

}  // namespace stagecraft
