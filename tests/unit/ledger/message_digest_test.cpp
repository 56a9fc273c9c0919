#include "ledger/message_digest.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <set>
#include <vector>

namespace sluice::ledger {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr std::array<uint64_t, 1> kContext = {0};

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
  EXPECT_NE(MessageDigest({1, 2}).of(std::array<uint64_t, 1>{1}, message), first);
}

/// Both as polynomials over GF(2), modulo x^64 + x^4 + x^3 + x + 1: one bit after the other.
uint64_t product_in_field(uint64_t left, uint64_t right) {
  uint64_t product = 0;
  for (unsigned bit = 64; bit-- > 0;) {
    const bool is_over = product >> 63 != 0;
    product <<= 1;
    if (is_over) product ^= 0x1b;
    if ((right >> bit & 1) != 0) product ^= left;
  }
  return product;
}

/// NH as its authors define it, over words in pairs.
unsigned __int128 nh(const std::vector<uint64_t>& words, const std::vector<uint64_t>& key, size_t first_key) {
  unsigned __int128 sum = 0;
  for (size_t i = 0; i < words.size(); i += 2) {
    const uint64_t left = words[i] + key[first_key + i], right = words[i + 1] + key[first_key + i + 1];
    sum += static_cast<unsigned __int128>(left) * right;
  }
  return sum;
}

TEST(MessageDigest, IsNhOfNhAndAProductInTheField) {
  constexpr size_t kPieceKeys = MessageDigest::kPieceBytes / 8,
                   kSumKeys = MessageDigest::kMostContext + 1 + 128;
  const SipKey key{1, 2};
  std::vector<uint64_t> words;  // that the digest derives from its key
  for (uint64_t i = 0; i < kPieceKeys + kSumKeys + 2; ++i) words.push_back(siphash24(key, &i, sizeof i));
  std::mt19937_64 random(3);
  for (const size_t size : {0u, 1u, 16u, 31u, 32u, 48u, 266u, 1024u, 1025u, 5000u, 65536u}) {
    Bytes message(size);
    for (uint8_t& byte : message) byte = static_cast<uint8_t>(random());
    const std::array<uint64_t, 3> context = {random(), random(), random()};
    std::vector<uint64_t> sums(context.begin(), context.end());
    sums.push_back(size);
    for (size_t at = 0; at < size; at += MessageDigest::kPieceBytes) {
      const size_t bytes = std::min(size - at, MessageDigest::kPieceBytes);
      std::vector<uint64_t> piece((bytes + 15) / 16 * 2);
      std::memcpy(piece.data(), message.data() + at, bytes);
      const unsigned __int128 sum = nh(piece, words, 0);
      sums.push_back(static_cast<uint64_t>(sum));
      sums.push_back(static_cast<uint64_t>(sum >> 64));
    }
    const unsigned __int128 sum = nh(sums, words, kPieceKeys);
    const uint64_t expected =
        product_in_field(static_cast<uint64_t>(sum), words[kPieceKeys + kSumKeys]) ^
        product_in_field(static_cast<uint64_t>(sum >> 64), words[kPieceKeys + kSumKeys + 1]);
    EXPECT_EQ(MessageDigest(key).of(context, message), expected) << size;
  }
}

}  // namespace
}  // namespace sluice::ledger
