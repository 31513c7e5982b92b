#include "tensor_parallel/comm/contract/p2p_text.h"

#include <algorithm>
#include <span>
#include <utility>

#include "kernels/base/error.h"

namespace stagecraft {

P2pText P2pText::send(P2pTransport& p2p, int to, int tag, const std::string& text) {
  require(text.size() <= kMax, "P2P text", "a text of {} bytes is longer than {}", text.size(),
          kMax);
  P2pText sent(p2p);
  std::copy(text.begin(), text.end(), sent.bytes_->begin());
  sent.ticket_ = p2p.send(to, tag, std::as_bytes(std::span(*sent.bytes_)));
  return sent;
}

P2pText P2pText::receive(P2pTransport& p2p, int from, int tag) {
  P2pText received(p2p);
  received.ticket_ = p2p.receive(from, tag, std::as_writable_bytes(std::span(*received.bytes_)));
  return received;
}

P2pText::P2pText(P2pText&& other) noexcept
    : p2p_(other.p2p_),
      bytes_(std::move(other.bytes_)),
      ticket_(std::exchange(other.ticket_, std::nullopt)) {}

P2pText::~P2pText() {
  if (ticket_.has_value()) {
    p2p_.abandon(*ticket_, std::move(bytes_));
  }
}

std::string P2pText::wait() {
  p2p_.wait(ticket_.value());
  ticket_.reset();
  return bytes_->data();
}

}  // namespace stagecraft
