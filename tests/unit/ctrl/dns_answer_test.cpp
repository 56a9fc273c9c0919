#include "ctrl/wire/dns_answer.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using Bytes = std::vector<uint8_t>;

/// An answer as scapy 2.5.0 writes it, without compression but where `\xc0\x0c` stands.
class Message {
 public:
  Message(const Bytes& query, uint8_t rcode = 0) : bytes_(query) {
    bytes_[2] = 0x81;
    bytes_[3] = static_cast<uint8_t>(0x80 | rcode);
  }
  Message& answer(const std::string& owner, uint16_t type, uint32_t ttl, const std::string& data) {
    ++bytes_[7];
    return put(owner, type, ttl, data);
  }
  Message& authority(const std::string& owner, uint16_t type, uint32_t ttl, const std::string& data) {
    ++bytes_[9];
    return put(owner, type, ttl, data);
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  Message& put(const std::string& owner, uint16_t type, uint32_t ttl, const std::string& data) {
    bytes_.insert(bytes_.end(), owner.begin(), owner.end());
    for (const uint32_t value :
         {uint32_t{type}, 1u, ttl >> 16, ttl & 0xffff, static_cast<uint32_t>(data.size())}) {
      bytes_.push_back(static_cast<uint8_t>(value >> 8));
      bytes_.push_back(static_cast<uint8_t>(value));
    }
    bytes_.insert(bytes_.end(), data.begin(), data.end());
    return *this;
  }
  Bytes bytes_;
};

std::string text(std::string_view literal) {
  return std::string(literal);
}
const std::string kOwner = "\xc0\x0c";
const std::string kTarget = text({"\1b\7example\0", 11});

const Bytes kQuery = dns_query(7, "a.example").value();
const Bytes kSrvQuery = dns_query(7, "a.example", DnsType::kSrv).value();

DnsAnswer read(const Message& message, const Bytes& query = kQuery) {
  return read_dns_answer(message.bytes(), query).value().value();
}

TEST(DnsAnswer, ReadsAddressesAndTheirTtl) {
  const auto answer = read(
      Message(kQuery).answer(kOwner, 1, 300, {"\12\24\0\13", 4}).answer(kOwner, 1, 60, {"\12\24\0\14", 4}));
  const auto found = find_in(answer, "a.example", DnsType::kA).value();
  ASSERT_EQ(found.records.size(), 2u);
  EXPECT_EQ(std::get<IpAddress>(found.records[0].data).to_string(), "10.20.0.11");
  EXPECT_EQ(found.ttl, 60u);
  EXPECT_TRUE(find_in(answer, "a.example", DnsType::kAaaa).value().records.empty());
  EXPECT_TRUE(find_in(answer, "b.example", DnsType::kA).value().records.empty());
}

TEST(DnsAnswer, ReadsServices) {
  const auto answer =
      read(Message(kSrvQuery).answer(kOwner, 33, 5, text({"\0\1\0\2\37\220", 6}) + kTarget), kSrvQuery);
  const auto found = find_in(answer, "a.example", DnsType::kSrv).value();
  ASSERT_EQ(found.records.size(), 1u);
  EXPECT_EQ(std::get<DnsSrv>(found.records[0].data), (DnsSrv{1, 2, 8080, "b.example"}));
  const auto none = read(Message(kSrvQuery).answer(kOwner, 33, 5, text({"\0\0\0\0\0\0\0", 7})), kSrvQuery);
  EXPECT_EQ(std::get<DnsSrv>(none.records.at(0).data).target, ".");
}

TEST(DnsAnswer, FollowsAliasesAndSaysWhereTheyEnd) {
  Message message(kQuery);
  message.answer(kOwner, 5, 100, kTarget);
  auto found = find_in(read(message), "a.example", DnsType::kA).value();
  EXPECT_TRUE(found.records.empty());
  EXPECT_EQ(found.last_alias, "b.example");
  EXPECT_EQ(found.ttl, 100u);
  message.answer(kTarget, 1, 500, {"\12\24\0\13", 4});
  found = find_in(read(message), "a.example", DnsType::kA).value();
  EXPECT_EQ(found.records.size(), 1u);
  EXPECT_EQ(found.ttl, 100u);
  EXPECT_EQ(found.last_alias, "");
}

TEST(DnsAnswer, AliasesInARingAreAnError) {
  const auto answer = read(Message(kQuery).answer(kOwner, 5, 1, kTarget).answer(kTarget, 5, 1, kOwner));
  EXPECT_FALSE(find_in(answer, "a.example", DnsType::kA));
}

TEST(DnsAnswer, NamesCompareWithoutCaseAndDotsWithinLabelsAreNoEnds) {
  const std::string strange = text({"\3A.b\7EXAMPLE\0", 13});
  const auto answer = read(Message(kQuery).answer(strange, 1, 1, {"\12\24\0\13", 4}));
  EXPECT_EQ(answer.records[0].owner, "a\\046b.example");
  EXPECT_EQ(canonical_dns_name("A.Example."), "a.example");
  EXPECT_EQ(canonical_dns_name("."), ".");
}

TEST(DnsAnswer, NothingIsKeptForTheSmallerOfTheTwoTimesOfTheSoa) {
  const std::string soa = text({"\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\36", 22});  // MINIMUM 30
  for (const auto& [ttl, kept] : {std::pair{600u, 30u}, std::pair{10u, 10u}}) {
    const auto answer = read(Message(kQuery, 3).authority(kOwner, 6, ttl, soa));
    EXPECT_EQ(answer.rcode, kDnsNoSuchName);
    EXPECT_EQ(answer.negative_ttl, kept);
    EXPECT_FALSE(answer.is_referral);
    EXPECT_EQ(find_in(answer, "a.example", DnsType::kA).value().ttl, kept);
  }
}

TEST(DnsAnswer, AReferralSaysNothingOfTheName) {
  EXPECT_TRUE(read(Message(kQuery).authority(kOwner, 2, 60, kTarget)).is_referral);
  EXPECT_FALSE(read(Message(kQuery)).is_referral);
}

TEST(DnsAnswer, ATruncatedAnswerIsNotReadOn) {
  auto bytes = Message(kQuery).answer(kOwner, 1, 60, {"\12\24\0\13", 4}).bytes();
  bytes[2] |= 2;
  bytes.resize(bytes.size() - 5);
  EXPECT_TRUE(read_dns_answer(bytes, kQuery).value().value().truncated);
}

TEST(DnsAnswer, EveryCutIsAnError) {
  const auto whole = Message(kSrvQuery)
                         .answer(kOwner, 33, 5, text({"\0\1\0\2\37\220", 6}) + kTarget)
                         .authority(kOwner, 6, 1, text({"\0\0\0\0\0\1\0\0\0\2\0\0\0\3\0\0\0\4\0\0\0\36", 22}))
                         .bytes();
  for (size_t size = kSrvQuery.size(); size < whole.size(); ++size) {
    const auto answer = read_dns_answer(std::span(whole).first(size), kSrvQuery);
    ASSERT_TRUE(answer);
    EXPECT_FALSE(*answer) << size;
  }
}

TEST(DnsAnswer, PointersThatLeadForwardsOrToThemselvesAreErrors) {
  for (const std::string& name : {text("\xc0\x1b"), text("\xc0\xff"), text("\xff\xff"), text("\x80\x01")}) {
    const auto message = Message(kQuery).answer(name, 1, 60, {"\12\24\0\13", 4});
    EXPECT_FALSE(read_dns_answer(message.bytes(), kQuery).value());
  }
}

TEST(DnsAnswer, NxdomainWithoutAQuestionEmptiesNothing) {
  auto bytes = kQuery;
  bytes[2] = 0x81;
  bytes[3] = 0x83;
  bytes[5] = 0;
  bytes.resize(12);
  EXPECT_FALSE(read_dns_answer(bytes, kQuery).value());
}

TEST(DnsAnswer, AQueryWithEdnsIsAnsweredAsOneWithout) {
  auto query = kQuery;
  welcome_datagrams(query, 1232);
  // As `dig +bufsize=1232` sends it.
  const Bytes option = {0, 0, 41, 4, 0xd0, 0, 0, 0, 0, 0, 0};
  EXPECT_TRUE(std::equal(option.begin(), option.end(), query.end() - 11));
  EXPECT_EQ(query[11], 1);
  const auto answer = read_dns_answer(Message(kQuery).bytes(), query);
  ASSERT_TRUE(answer);
  EXPECT_TRUE(*answer);
}

}  // namespace
}  // namespace sluice::ctrl
