#include "ledger/coap_exchanges.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <random>
#include <string>
#include <string_view>

#include "ledger/coap.h"

namespace sluice::ledger {
namespace {

using Seen = CoapExchanges::Seen;

/// A confirmable POST as it comes, and from where.
struct SentMessage {
  uint16_t id = 7;
  std::string token = "tk";
  std::string payload = "x";
  uint16_t port = 5683;
  const char* address = "2001:db8::1";

  std::string bytes() const {
    std::string bytes{static_cast<char>(0x40 | token.size()), 2};
    bytes += {static_cast<char>(id >> 8), static_cast<char>(id)};
    return bytes + token + "\xb2tx\xff" + payload;
  }
  bool operator==(const SentMessage& other) const {
    return bytes() == other.bytes() && port == other.port && std::string_view(address) == other.address;
  }
};

struct Noted {
  CoapExchanges::Verdict verdict;
  Requester requester;
};
Noted note(CoapExchanges& exchanges, const SentMessage& message, uint64_t now_ns = 0) {
  const std::string bytes = message.bytes();
  const std::span<const uint8_t> datagram{reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
  Noted noted;
  noted.requester.address = *IpAddress::parse(message.address);
  noted.requester.port = Be16::from_host(message.port);
  noted.requester.exchange = coap::parse(datagram, 1400).exchange;
  noted.verdict = exchanges.note(noted.requester, exchanges.hash_of(noted.requester, datagram), now_ns);
  return noted;
}
Seen seen(CoapExchanges& exchanges, const SentMessage& message, uint64_t now_ns = 0) {
  return note(exchanges, message, now_ns).verdict.seen;
}

TEST(CoapExchanges, AnswersARetransmissionLikeTheFirst) {
  CoapExchanges exchanges(16, {1, 2});
  seen(exchanges, {.id = 6});
  const Noted first = note(exchanges, {.id = 7});
  EXPECT_EQ(first.verdict.seen, Seen::kNew);
  EXPECT_EQ(seen(exchanges, {.id = 7}, 1), Seen::kPending);
  exchanges.answered({first.requester, Outcome::kDuplicate, {{}, 42, {}, 3, 50}});
  const auto verdict = note(exchanges, {.id = 7}, 2).verdict;
  ASSERT_EQ(verdict.seen, Seen::kAnswered);
  EXPECT_EQ(verdict.outcome, Outcome::kDuplicate);
  EXPECT_EQ(verdict.receipt->index, 42u);
}

TEST(CoapExchanges, TellsClientsAndIdsApart) {
  CoapExchanges exchanges(16, {1, 2});
  EXPECT_EQ(seen(exchanges, {}), Seen::kNew);
  EXPECT_EQ(seen(exchanges, {.id = 8}), Seen::kNew);
  EXPECT_EQ(seen(exchanges, {.port = 5684}), Seen::kNew);
  EXPECT_EQ(seen(exchanges, {.address = "192.0.2.1"}), Seen::kNew);
  EXPECT_EQ(seen(exchanges, {}), Seen::kPending);
}

TEST(CoapExchanges, AnotherMessageUnderAUsedIdIsNewAndBothAreAnswered) {
  CoapExchanges exchanges(16, {1, 2});
  const SentMessage messages[] = {{}, {.payload = "y"}, {.token = "other"}, {.token = ""}, {.payload = "xx"}};
  std::vector<Requester> requesters;
  for (const SentMessage& message : messages) {
    const Noted noted = note(exchanges, message);
    EXPECT_EQ(noted.verdict.seen, Seen::kNew);
    requesters.push_back(noted.requester);
  }
  for (size_t i = 0; i < requesters.size(); ++i) {
    EXPECT_EQ(seen(exchanges, messages[i]), Seen::kPending);
    exchanges.answered({requesters[i], Outcome::kStored, {{}, i, {}, 0, 5}});
  }
  for (size_t i = 0; i < requesters.size(); ++i) {
    const auto verdict = note(exchanges, messages[i]).verdict;
    ASSERT_EQ(verdict.seen, Seen::kAnswered);
    EXPECT_EQ(verdict.receipt->index, i);
  }
}

TEST(CoapExchanges, ForgetsAfterTheLifetime) {
  CoapExchanges exchanges(16, {1, 2});
  seen(exchanges, {}, 100);
  EXPECT_EQ(seen(exchanges, {}, 99 + CoapExchanges::kLifetimeNs), Seen::kPending);
  EXPECT_EQ(seen(exchanges, {}, 100 + CoapExchanges::kLifetimeNs), Seen::kNew);
}

TEST(CoapExchanges, JudgesAnewWhatWasRefusedForAMoment) {
  CoapExchanges exchanges(16, {1, 2});
  const Noted first = note(exchanges, {}, 100);
  exchanges.answered({first.requester, Outcome::kDroppedRingFull, {}}, 200);
  EXPECT_EQ(seen(exchanges, {}, 199), Seen::kAnswered);
  EXPECT_EQ(seen(exchanges, {}, 200), Seen::kNew);
}

TEST(CoapExchanges, AnAnswerToAForgottenRequestChangesNothing) {
  CoapExchanges exchanges(1, {1, 2});
  const Noted first = note(exchanges, {});
  seen(exchanges, {.payload = "the same id, client and place"});
  exchanges.answered({first.requester, Outcome::kStored, {}});
  EXPECT_EQ(seen(exchanges, {.payload = "the same id, client and place"}), Seen::kPending);
}

/// A list that is searched from the front, of the last so many that were new.
class NaiveList {
 public:
  struct Entry {
    SentMessage message;
    Requester requester;
    std::optional<uint64_t> index;  // of its receipt
  };
  Entry* find(const SentMessage& message) {
    const auto found = std::find_if(entries_.begin(), entries_.end(),
                                    [&](const Entry& entry) { return entry.message == message; });
    return found == entries_.end() ? nullptr : &*found;
  }
  void add(Entry entry, size_t capacity) {
    entries_.push_back(std::move(entry));
    if (entries_.size() > capacity) entries_.pop_front();
  }
  std::deque<Entry>& entries() { return entries_; }

 private:
  std::deque<Entry> entries_;
};

TEST(CoapExchanges, RemembersWhatANaiveListRemembers) {
  constexpr size_t kCapacity = 24;
  CoapExchanges exchanges(kCapacity, {3, 4});
  NaiveList twin;
  std::mt19937 random(5);
  const auto one_of = [&](auto... choices) { return std::array{choices...}[random() % sizeof...(choices)]; };
  size_t met[3] = {};
  for (uint64_t i = 0; i < 50000; ++i) {
    const SentMessage message{.id = static_cast<uint16_t>(random() % 3),
                              .token = one_of("", "a", "ab"),
                              .payload = std::string(1 + random() % 2, one_of('x', 'y')),
                              .port = one_of(uint16_t{1}, uint16_t{2})};
    NaiveList::Entry* const known = twin.find(message);
    const Noted noted = note(exchanges, message);
    const Seen expected = known == nullptr ? Seen::kNew : known->index ? Seen::kAnswered : Seen::kPending;
    ASSERT_EQ(noted.verdict.seen, expected) << i;
    ++met[static_cast<size_t>(expected)];
    if (expected == Seen::kAnswered) {
      ASSERT_EQ(noted.verdict.receipt->index, *known->index) << i;
    }
    if (expected == Seen::kNew) twin.add({message, noted.requester, {}}, kCapacity);
    NaiveList::Entry& answered = twin.entries()[random() % twin.entries().size()];
    if (answered.index || random() % 2 == 0) continue;
    answered.index = i;
    exchanges.answered({answered.requester, Outcome::kStored, {{}, i, {}, 0, 0}});
  }
  for (const size_t count : met) EXPECT_GT(count, 1000u);
}

}  // namespace
}  // namespace sluice::ledger
