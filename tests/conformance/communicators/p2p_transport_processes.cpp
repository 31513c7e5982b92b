// The MPI P2P transport between processes.
#include <catch2/catch.hpp>
#include <thread>

#include "tensor_parallel/comm/contract/p2p_text.h"
#include "tests/conformance/processes.h"
#include "tests/conformance/thrown.h"

namespace stagecraft::test {
namespace {

std::vector<std::byte> bytes_of(std::size_t count, int seed) {
  std::vector<std::byte> bytes(count);
  for (std::size_t i = 0; i < count; ++i) {
    bytes[i] = static_cast<std::byte>((i * 131 + static_cast<std::size_t>(seed) * 17) >> 3);
  }
  return bytes;
}

int next_of(const MpiSession& session) { return (session.rank() + 1) % session.size(); }
int previous_of(const MpiSession& session) {
  return (session.rank() + session.size() - 1) % session.size();
}

/// All ranks send around the ring at the same time.
void check_ring(MpiSession& session, std::size_t count) {
  P2pTransport& p2p = session.p2p();
  const auto sent = bytes_of(count, session.rank());
  std::vector<std::byte> got(count);
  const auto send = p2p.send(next_of(session), 3, sent);
  const auto receive = p2p.receive(previous_of(session), 3, got);
  p2p.wait(receive);
  p2p.wait(send);
  expect(got == bytes_of(count, previous_of(session)), fmt::format("{} bytes arrive", count));
}

}  // namespace

TEST_CASE("P2P transport: messages of every size arrive, also at the sender itself") {
  REQUIRE_NOTHROW(run_session("sizes", std::nullopt, [](MpiSession& session, const auto& doing) {
    for (const std::size_t count : {0, 1, 4096, 100'003, 8 << 20}) {
      doing(fmt::format("{} bytes around the ring", count));
      check_ring(session, count);
    }
  }));
}

TEST_CASE("P2P transport: one tag keeps the order, and tags are independent") {
  constexpr int kMessages = 50;
  REQUIRE_NOTHROW(run_session("order", std::nullopt, [](MpiSession& session, const auto& doing) {
    P2pTransport& p2p = session.p2p();
    std::vector<std::vector<std::byte>> sent;
    std::vector<std::vector<std::byte>> got(2 * kMessages, std::vector<std::byte>(1000));
    std::vector<P2pTransport::Ticket> tickets;
    doing("all messages of two tags");
    for (int i = 0; i < 2 * kMessages; ++i) {
      sent.push_back(bytes_of(1000, i));
    }
    for (int i = 0; i < kMessages; ++i) {
      tickets.push_back(p2p.send(next_of(session), 7, sent[2 * i]));
      tickets.push_back(p2p.send(next_of(session), 8, sent[2 * i + 1]));
    }
    for (int i = kMessages - 1; i >= 0; --i) {
      tickets.push_back(p2p.receive(previous_of(session), 8, got[2 * (kMessages - 1 - i) + 1]));
    }
    for (int i = 0; i < kMessages; ++i) {
      tickets.push_back(p2p.receive(previous_of(session), 7, got[2 * i]));
    }
    for (const P2pTransport::Ticket ticket : tickets) {
      p2p.wait(ticket);
    }
    expect(got == sent, "every message arrives in its receive");
  }));
}

TEST_CASE("P2P text: texts arrive whole and in order, and one that nobody waits for is dropped") {
  REQUIRE_NOTHROW(run_session("texts", std::nullopt, [](MpiSession& session, const auto&) {
    P2pTransport& p2p = session.p2p();
    const std::vector<std::string> texts{"", "1:2:3", std::string(P2pText::kMax, 'x')};
    std::vector<P2pText> sent;
    for (const std::string& text : texts) {
      sent.push_back(P2pText::send(p2p, next_of(session), 4, text));
    }
    for (const std::string& text : texts) {
      expect(P2pText::receive(p2p, previous_of(session), 4).wait() == text, "the text arrives");
    }
    for (P2pText& text : sent) {
      text.wait();
    }
    { const P2pText never = P2pText::receive(p2p, previous_of(session), 4); }
    expect(!error_of([&] {
              P2pText::send(p2p, next_of(session), 4, std::string(P2pText::kMax + 1, 'x'));
            }).empty(),
           "a text that is too long is refused");
  }));
}

TEST_CASE("P2P transport: a message may be shorter than its receive") {
  REQUIRE_NOTHROW(run_session("shorter", std::nullopt, [](MpiSession& session, const auto&) {
    const auto sent = bytes_of(10, session.rank());
    std::vector<std::byte> got(1000);
    const auto receive = session.p2p().receive(previous_of(session), 0, got);
    const auto send = session.p2p().send(next_of(session), 0, sent);
    session.p2p().wait(send);
    session.p2p().wait(receive);
    got.resize(10);
    expect(got == bytes_of(10, previous_of(session)), "the bytes arrive");
  }));
}

TEST_CASE("P2P transport: transfers make progress without a call that waits") {
  REQUIRE_NOTHROW(run_session("beside", std::nullopt, [](MpiSession& session, const auto& doing) {
    constexpr std::size_t kCount = 4 << 20;
    P2pTransport& p2p = session.p2p();
    const auto sent = bytes_of(kCount, session.rank());
    std::vector<std::byte> got(kCount);
    const auto receive = p2p.receive(previous_of(session), 1, got);
    const auto send = p2p.send(next_of(session), 1, sent);
    doing("polling, without a call that waits");
    while (!p2p.done(receive) || !p2p.done(send)) {
      std::this_thread::yield();
    }
    p2p.wait(receive);
    p2p.wait(send);
    expect(got == bytes_of(kCount, previous_of(session)), "all have arrived");
  }));
}

TEST_CASE("P2P transport: an abandoned receive is cancelled, and the session can end") {
  REQUIRE_NOTHROW(run_session("abandon", std::nullopt, [](MpiSession& session, const auto& doing) {
    P2pTransport& p2p = session.p2p();
    const auto kept = std::make_shared<std::vector<std::byte>>(1000);
    for (int tag = 100; tag < 120; ++tag) {
      p2p.abandon(p2p.receive(previous_of(session), tag, *kept), kept);
    }
    doing("a ring after receives were abandoned");
    check_ring(session, 1000);
    for (int tag = 100; tag < 120; ++tag) {
      p2p.abandon(p2p.receive(previous_of(session), tag, *kept), kept);
    }
  }));
}

TEST_CASE("P2P transport: several threads at once") {
  REQUIRE_NOTHROW(run_session("threads", std::nullopt, [](MpiSession& session, const auto&) {
    std::vector<std::thread> threads;
    std::vector<int> good(3, 0);
    for (int number = 0; number < 3; ++number) {
      threads.emplace_back([&, number] {
        for (int round = 0; round < 100; ++round) {
          const auto sent = bytes_of(5000, session.rank() + 10 * round);
          std::vector<std::byte> got(5000);
          const auto send = session.p2p().send(next_of(session), number, sent);
          const auto receive = session.p2p().receive(previous_of(session), number, got);
          session.p2p().wait(send);
          session.p2p().wait(receive);
          good[static_cast<std::size_t>(number)] +=
              got == bytes_of(5000, previous_of(session) + 10 * round) ? 1 : 0;
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
    expect(good == std::vector<int>(3, 100), "every thread receives its own messages");
  }));
}

TEST_CASE("P2P transport: an abort of the world ends waits, also earlier ones") {
  for (const bool shares : {true, false}) {
    for (int round = 0; round < 10; ++round) {
      // MPI may access the bytes of an aborted receive until it is finalised.
      static std::vector<std::vector<std::byte>> kept;
      kept.emplace_back(100);
      const int node = shares ? 0 : process_rank();
      REQUIRE_NOTHROW(run_session("abort", node, [&](MpiSession& session, const auto& doing) {
        const auto world = session.world();
        P2pTransport& p2p = session.p2p();
        std::thread guard;
        if (session.rank() == round % session.size()) {
          guard = std::thread([&] { world->abort("stage 1, 0F0"); });
        }
        doing("waiting for a message that is never sent");
        const std::string culprit =
            culprit_of([&] { p2p.wait(p2p.receive(previous_of(session), 5, kept.back())); });
        if (guard.joinable()) {
          guard.join();
        }
        expect(culprit == "stage 1, 0F0", "the culprit is named");
        expect(culprit_of([&] { p2p.send(next_of(session), 5, {}); }) == culprit,
               "later sends are rejected");
      }));
    }
  }
}

TEST_CASE("session: texts are exchanged by rank, and nodes are known") {
  REQUIRE_NOTHROW(run_session("exchange", process_rank() / 2, [](MpiSession& session, const auto&) {
    const std::string mine(static_cast<std::size_t>(session.rank()) * 700, 'a');
    const auto texts = session.exchange(mine);
    expect(static_cast<int>(texts.size()) == session.size(), "one text of each rank");
    for (int rank = 0; rank < session.size(); ++rank) {
      expect(texts[static_cast<std::size_t>(rank)].size() == static_cast<std::size_t>(rank) * 700,
             "the text of the rank");
      expect(session.shares_windows_with(rank) == (rank / 2 == session.rank() / 2), "nodes");
    }
  }));
}

}  // namespace stagecraft::test
