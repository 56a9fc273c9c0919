// The kernel's logic with its instructions in software: what runs where the CPU has no SHA extensions.
// Where it has them, sha256_test.cpp runs the real ones through the avx512 engine.
#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/encoding.h"
#include "crypto/sha256_kernels.h"
#include "tests/unit/crypto/oracle.h"

namespace sluice::crypto {

void sha256_shani_in_software(const LaneGroup& group, unsigned count);

namespace {

void expect_right(std::vector<Message> messages) {
  std::ranges::sort(messages, std::greater(), &Message::blocks);
  std::vector<Digest> digests(messages.size());
  std::vector<uint32_t> total;
  std::vector<const uint8_t*> start;
  std::vector<uint8_t*> digest;
  std::vector<uint8_t> kind;
  for (size_t lane = 0; lane < messages.size(); ++lane) {
    const Message& message = messages[lane];
    total.push_back(static_cast<uint32_t>(message.total()));
    start.push_back(message.data - (message.total() - message.size));
    digest.push_back(digests[lane].data());
    kind.push_back(static_cast<uint8_t>((message.prefix == Prefix::none ? 0 : kPrefixed) |
                                        (message.prefix == Prefix::node ? kNodePrefix : 0) |
                                        (message.rounds == Rounds::twice ? kTwice : 0)));
  }
  const LaneGroup group = {.total = total.data(),
                           .start = start.data(),
                           .digest = digest.data(),
                           .kind = kind.data(),
                           .padding = nullptr};
  sha256_shani_in_software(group, static_cast<unsigned>(messages.size()));
  for (size_t lane = 0; lane < messages.size(); ++lane)
    ASSERT_EQ(to_hex(digests[lane]), to_hex(oracle::hash(messages[lane])))
        << "lane " << lane << ", " << messages[lane].size << " bytes";
}

TEST(Sha256ShaNi, HashesEveryLengthAloneAndInPairs) {
  const std::vector<uint8_t> bytes = oracle::random_bytes(1000, 1);
  for (uint32_t size = 0; size <= 600; ++size) {
    const Message message = {.data = bytes.data() + 1,
                             .size = size,
                             .prefix = static_cast<Prefix>(size % 3),
                             .rounds = static_cast<Rounds>(size / 3 % 2)};
    expect_right({message});
    Message other = message;
    other.size = (size * 7 + 13) % 600;
    other.prefix = static_cast<Prefix>((size + 1) % 3);
    expect_right({message, other});
  }
}

TEST(Sha256ShaNi, HashesUpToNineOfRandomLengths) {
  const std::vector<uint8_t> bytes = oracle::random_bytes(3000, 2);
  std::mt19937 random(3);
  for (int round = 0; round < 100; ++round) {
    std::vector<Message> messages(1 + random() % 9);
    for (Message& message : messages)
      message = {.data = bytes.data() + 1 + random() % 500,
                 .size = static_cast<uint32_t>(random() % 2000),
                 .prefix = static_cast<Prefix>(random() % 3),
                 .rounds = static_cast<Rounds>(random() % 2)};
    expect_right(messages);
  }
}

}  // namespace
}  // namespace sluice::crypto
