#include "ledger/coap_exchanges.h"

#include <gtest/gtest.h>

#include <deque>
#include <random>

namespace sluice::ledger {
namespace {

using Seen = CoapExchanges::Seen;

Requester requester_of(uint16_t message_id, uint16_t port = 5683, const char* address = "2001:db8::1") {
  Requester requester;
  requester.address = *IpAddress::parse(address);
  requester.port = Be16::from_host(port);
  requester.exchange.message_id = message_id;
  return requester;
}

CoapExchanges::Verdict note(CoapExchanges& exchanges, Requester requester, uint64_t now_ns) {
  return exchanges.note(requester, exchanges.hash_of(requester), now_ns);
}

TEST(CoapExchanges, AnswersARetransmissionLikeTheFirst) {
  CoapExchanges exchanges(16, {1, 2});
  note(exchanges, requester_of(6), 0);
  Requester first = requester_of(7);
  EXPECT_EQ(exchanges.note(first, exchanges.hash_of(first), 0).seen, Seen::kNew);
  EXPECT_EQ(note(exchanges, requester_of(7), 1).seen, Seen::kPending);
  exchanges.answered({first, Outcome::kDuplicate, {{}, 42, {}, 3, 50}});
  const auto verdict = note(exchanges, requester_of(7), 2);
  ASSERT_EQ(verdict.seen, Seen::kAnswered);
  EXPECT_EQ(verdict.answer->outcome, Outcome::kDuplicate);
  EXPECT_EQ(verdict.answer->receipt.index, 42u);
}

TEST(CoapExchanges, TellsEndpointsApart) {
  CoapExchanges exchanges(16, {1, 2});
  EXPECT_EQ(note(exchanges, requester_of(7), 0).seen, Seen::kNew);
  EXPECT_EQ(note(exchanges, requester_of(8), 0).seen, Seen::kNew);
  EXPECT_EQ(note(exchanges, requester_of(7, 5684), 0).seen, Seen::kNew);
  EXPECT_EQ(note(exchanges, requester_of(7, 5683, "192.0.2.1"), 0).seen, Seen::kNew);
}

TEST(CoapExchanges, ForgetsAfterTheLifetime) {
  CoapExchanges exchanges(16, {1, 2});
  note(exchanges, requester_of(7), 100);
  EXPECT_EQ(note(exchanges, requester_of(7), 99 + CoapExchanges::kLifetimeNs).seen, Seen::kPending);
  EXPECT_EQ(note(exchanges, requester_of(7), 100 + CoapExchanges::kLifetimeNs).seen, Seen::kNew);
}

// A list that is searched from the front, of the last so many that were new.
TEST(CoapExchanges, RemembersWhatANaiveListRemembers) {
  constexpr size_t kCapacity = 12;
  CoapExchanges exchanges(kCapacity, {3, 4});
  std::deque<uint16_t> newest;
  std::mt19937 random(5);
  for (int i = 0; i < 20000; ++i) {
    const auto id = static_cast<uint16_t>(random() % 24);
    const bool is_known = std::find(newest.begin(), newest.end(), id) != newest.end();
    ASSERT_EQ(note(exchanges, requester_of(id), 0).seen, is_known ? Seen::kPending : Seen::kNew) << i;
    if (is_known) continue;
    newest.push_back(id);
    if (newest.size() > kCapacity) newest.pop_front();
  }
}

TEST(CoapExchanges, AnAnswerToAForgottenRequestChangesNothing) {
  CoapExchanges exchanges(1, {1, 2});
  Requester first = requester_of(1);
  exchanges.note(first, exchanges.hash_of(first), 0);
  note(exchanges, requester_of(2), 0);
  exchanges.answered({first, Outcome::kStored, {}});
  EXPECT_EQ(note(exchanges, requester_of(2), 0).seen, Seen::kPending);
}

}  // namespace
}  // namespace sluice::ledger
