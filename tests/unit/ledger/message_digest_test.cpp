#include "ledger/message_digest.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace sluice::ledger {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint64_t kContext = 0;

TEST(MessageDigest, EveryBitAndTheSizeCount) {
  const MessageDigest digest({1, 2});
  for (const size_t size : {0u, 1u, 7u, 8u, 15u, 16u, 17u, 250u, 1023u, 1024u, 1025u, 2100u}) {
    Bytes message(size, 0);
    std::set<uint64_t> seen{digest.of(kContext, message)};
    for (size_t bit = 0; bit < 8 * size; ++bit) {
      message[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
      EXPECT_TRUE(seen.insert(digest.of(kContext, message)).second) << size << " bytes, bit " << bit;
      message[bit / 8] = 0;
    }
    message.push_back(0);  // looks like what the last step is filled up with
    EXPECT_TRUE(seen.insert(digest.of(kContext, message)).second) << size;
  }
}

TEST(MessageDigest, OrderCounts) {
  const MessageDigest digest({1, 2});
  Bytes message(4096);
  for (size_t i = 0; i < message.size(); ++i) message[i] = static_cast<uint8_t>(i / 8 + i / 1024);
  const uint64_t before = digest.of(kContext, message);
  for (const size_t distance : {8u, 16u, 1024u}) {
    Bytes swapped = message;
    std::swap_ranges(swapped.begin(), swapped.begin() + 8, swapped.begin() + static_cast<long>(distance));
    EXPECT_NE(digest.of(kContext, swapped), before) << distance;
  }
}

TEST(MessageDigest, KeyAndContextCount) {
  const Bytes message(100, 7);
  const uint64_t first = MessageDigest({1, 2}).of(kContext, message);
  EXPECT_EQ(MessageDigest({1, 2}).of(kContext, message), first);
  EXPECT_NE(MessageDigest({1, 3}).of(kContext, message), first);
  EXPECT_NE(MessageDigest({1, 2}).of(uint64_t{1}, message), first);
}

// NH over one step, as its authors define it, written out with the words that the digest derives from its
// key.
TEST(MessageDigest, IsNhAndSipHash) {
  const SipKey key{1, 2};
  const uint64_t zero = 0, one = 1;
  const uint64_t words[] = {siphash24(key, &zero, 8), siphash24(key, &one, 8)};
  const uint64_t halves[] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
  unsigned __int128 sum = halves[0] + words[0];
  sum *= halves[1] + words[1];
  const uint64_t parts[] = {kContext, 16, static_cast<uint64_t>(sum), static_cast<uint64_t>(sum >> 64)};
  Bytes message(16);
  for (size_t i = 0; i < 16; ++i) message[i] = static_cast<uint8_t>(i);
  EXPECT_EQ(MessageDigest(key).of(kContext, message), siphash24(key, parts, sizeof parts));
}

}  // namespace
}  // namespace sluice::ledger
