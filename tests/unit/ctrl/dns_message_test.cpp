#include "ctrl/wire/dns_message.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

std::vector<uint8_t> bytes(std::string_view text) {
  return {text.begin(), text.end()};
}

// As `dig +noedns example.com` sends it.
const auto kQuery =
    bytes({"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07"
           "example\x03"
           "com\x00\x00\x01\x00\x01",
           29});

std::vector<uint8_t> answer(uint8_t flags, uint8_t flags_and_rcode) {
  auto message = kQuery;
  message[2] = flags;
  message[3] = flags_and_rcode;
  return message;
}

TEST(DnsMessage, AsksAsDigDoes) {
  EXPECT_EQ(dns_query(0x1234, "example.com").value(), kQuery);
  EXPECT_EQ(dns_query(0x1234, "example.com.").value(), kQuery);
  EXPECT_EQ(dns_query(0, ".").value().size(), 17u);
}

TEST(DnsMessage, RefusesWhatIsNoName) {
  for (const std::string& name : {std::string("a..b"), std::string(".a"), std::string("a.."),
                                  std::string(64, 'x') + ".com", std::string(300, 'x')}) {
    EXPECT_FALSE(dns_query(0, name)) << name;
  }
  EXPECT_TRUE(dns_query(0, std::string(63, 'x') + ".com"));
}

TEST(DnsMessage, ReadsTheRcode) {
  EXPECT_EQ(rcode_of_answer(answer(0x81, 0x80), kQuery), 0u);
  EXPECT_EQ(rcode_of_answer(answer(0x81, 0x82), kQuery), 2u);
  auto with_records = answer(0x85, 0x80);
  for (int i = 0; i < 100; ++i) with_records.push_back(0xc0);
  EXPECT_EQ(rcode_of_answer(with_records, kQuery), 0u);
  EXPECT_EQ(name_of_rcode(5), "REFUSED");
  EXPECT_EQ(name_of_rcode(11), "RCODE 11");
}

TEST(DnsMessage, NamesCompareWithoutCase) {
  auto message = answer(0x81, 0x80);
  message[13] = 'E';
  EXPECT_EQ(rcode_of_answer(message, kQuery), 0u);
}

TEST(DnsMessage, PassesOverWhatAnswersSomethingElse) {
  EXPECT_EQ(rcode_of_answer(kQuery, kQuery), std::nullopt);  // no answer, but the query come back
  auto other_id = answer(0x81, 0x80), other_name = other_id, other_type = other_id, short_one = other_id;
  other_id[0] ^= 1;
  other_name[13] = 'x';
  other_type[26] = 28;
  short_one.pop_back();
  auto two_questions = answer(0x81, 0x80);
  two_questions[5] = 2;
  for (const auto& message : {other_id, other_name, other_type, short_one, two_questions}) {
    EXPECT_EQ(rcode_of_answer(message, kQuery), std::nullopt);
  }
  for (size_t size = 0; size < 12; ++size) {
    EXPECT_EQ(rcode_of_answer(std::span(kQuery).first(size), kQuery), std::nullopt);
  }
}

TEST(DnsMessage, AnErrorMayLeaveTheQuestionOut) {
  auto message = answer(0x81, 0x81);
  message[5] = 0;
  message.resize(12);
  EXPECT_EQ(rcode_of_answer(message, kQuery), 1u);
  message[3] = 0x80;  // but no success
  EXPECT_EQ(rcode_of_answer(message, kQuery), std::nullopt);
}

}  // namespace
}  // namespace sluice::ctrl
