#include "crypto/sha256_choice.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/unit/crypto/oracle.h"

namespace sluice::crypto {
namespace {

/// A right engine that a test spoils afterwards.
Sha256Calls right_calls() {
  return {.hash =
              [](std::span<const Message> messages) {
                for (const Message& message : messages) *message.digest = oracle::hash(message);
              },
          .hash_nodes =
              [](std::span<const Digest> children, std::span<Digest> parents) {
                for (size_t i = 0; i < parents.size(); ++i)
                  parents[i] = oracle::node(children[2 * i], children[2 * i + 1]);
              }};
}

Sha256Calls wrong_where(std::function<bool(const Message&, size_t place)> spoil) {
  Sha256Calls calls = right_calls();
  calls.hash = [right = calls.hash, spoil](std::span<const Message> messages) {
    right(messages);
    for (size_t i = 0; i < messages.size(); ++i)
      if (spoil(messages[i], i)) (*messages[i].digest)[31] ^= 1;
  };
  return calls;
}

TEST(Sha256SelfTest, PassesARightEngine) {
  EXPECT_TRUE(self_test(right_calls()));
}

TEST(Sha256SelfTest, RefusesWhatErrsInOnePlaceOnly) {
  EXPECT_FALSE(self_test(wrong_where([](const Message&, size_t place) { return place == 17; })));
  EXPECT_FALSE(self_test(wrong_where([](const Message&, size_t place) { return place == 256; })));
  EXPECT_FALSE(self_test(wrong_where([](const Message& m, size_t) { return m.size == 0; })));
  EXPECT_FALSE(self_test(wrong_where([](const Message& m, size_t) { return m.size == 55; })));
  EXPECT_FALSE(self_test(wrong_where([](const Message& m, size_t) { return m.size % 64 == 56; })));
  EXPECT_FALSE(self_test(wrong_where([](const Message& m, size_t) { return m.total() == 64; })));
  EXPECT_FALSE(self_test(wrong_where([](const Message& m, size_t) { return m.prefix == Prefix::leaf; })));
  EXPECT_FALSE(self_test(wrong_where([](const Message& m, size_t) { return m.rounds == Rounds::twice; })));
  EXPECT_FALSE(self_test(wrong_where([](const Message& m, size_t) { return m.blocks() > 20; })));
}

TEST(Sha256SelfTest, RefusesWhatWritesNothing) {
  Sha256Calls calls = right_calls();
  calls.hash = [](std::span<const Message>) {};
  EXPECT_FALSE(self_test(calls));
}

TEST(Sha256SelfTest, RefusesAWrongWayForEqualMessages) {
  Sha256Calls calls = right_calls();
  calls.hash = [right = calls.hash](std::span<const Message> messages) {
    right(messages);
    const auto whole_blocks = [](const Message& m) { return m.total() == 64; };
    if (std::ranges::all_of(messages, whole_blocks)) (*messages[0].digest)[0] ^= 1;
  };
  const Result<void> tested = self_test(calls);
  ASSERT_FALSE(tested);
  EXPECT_EQ(tested.error().message, "wrong digest of a 64-byte message");
}

TEST(Sha256SelfTest, RefusesWrongNodes) {
  Sha256Calls calls = right_calls();
  calls.hash_nodes = [right = calls.hash_nodes](std::span<const Digest> children, std::span<Digest> parents) {
    right(children, parents);
    if (parents.size() > 16) parents.back()[0] ^= 0x80;
  };
  const Result<void> tested = self_test(calls);
  ASSERT_FALSE(tested);
  EXPECT_EQ(tested.error().message, "wrong digest in a level of 17 Merkle nodes");
}

uint64_t fake_time;
uint64_t fake_step;  // every reading is later than the last by this, and by more from call to call

uint64_t standing_clock() {
  return 7;
}
uint64_t slowing_clock() {
  return fake_time += fake_step++;
}
uint64_t quickening_clock() {
  return fake_time += fake_step--;
}

TEST(Sha256Choice, TakesTheFastestThatPasses) {
  fake_time = 0, fake_step = 1;
  const auto slowing = choose_sha256("auto", slowing_clock);
  ASSERT_TRUE(slowing) << slowing.error().message;
  EXPECT_EQ(slowing->engine, Sha256Engine::openssl);  // the first to be tried

  fake_time = 0, fake_step = 1000;
  const auto quickening = choose_sha256("auto", quickening_clock);
  ASSERT_TRUE(quickening) << quickening.error().message;
  Sha256Engine last_usable = Sha256Engine::openssl;
  for (const Sha256Trial& trial : quickening->trials)
    if (trial.refused.empty()) last_usable = trial.engine;
  EXPECT_EQ(quickening->engine, last_usable);
}

TEST(Sha256Choice, SaysWhyAnEngineIsRefused) {
  const auto choice = choose_sha256("auto", standing_clock);
  ASSERT_TRUE(choice);
  for (const Sha256Trial& trial : choice->trials) {
    const auto made = Sha256::create(trial.engine);
    EXPECT_EQ(trial.refused, made ? "" : made.error().message);
  }
}

TEST(Sha256Choice, TakesTheForcedOne) {
  const auto choice = choose_sha256("openssl", standing_clock);
  ASSERT_TRUE(choice);
  EXPECT_EQ(choice->engine, Sha256Engine::openssl);
}

TEST(Sha256Choice, RefusesAnUnknownName) {
  const auto choice = choose_sha256("md5", standing_clock);
  ASSERT_FALSE(choice);
  EXPECT_NE(choice.error().message.find("'md5'"), std::string::npos);
}

}  // namespace
}  // namespace sluice::crypto
