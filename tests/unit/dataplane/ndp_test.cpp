#include "dataplane/packet/ndp.h"

#include <gtest/gtest.h>

#include "tests/support/packet_builder.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::ip;

constexpr const char* kUs = "fd10::1";
constexpr const char* kThem = "fd10::fe:1234:5678";
constexpr const char* kTheirGroup = "ff02::1:ff34:5678";  // RFC 4291 2.7.1
constexpr const char* kSenderMac = "02:00:00:00:00:01";

Bytes option(uint8_t type, const char* mac) {
  Bytes bytes = {type, 1};
  test::append(bytes, test::mac_bytes(mac));
  return bytes;
}

/// An NDP packet as RFC 4861 4.3 and 4.4 draw it; the builder computes the checksum.
test::PacketBuilder ndp(const char* source, const char* destination, uint8_t type, uint32_t flags,
                        const char* target, const Bytes& options) {
  Bytes body = test::address_bytes(target);
  test::append(body, options);
  return ip(source, destination).ttl(255).icmp(type, 0, flags).payload(body);
}

Bytes written(const NdpMessage& message) {
  Bytes bytes(kMaxNdpBytes);
  bytes.resize(write_ndp(message, bytes.data()));
  return bytes;
}

TEST(Ndp, WritesASolicitation) {
  NdpMessage message;
  message.source = *IpAddress::parse(kUs);
  message.target = *IpAddress::parse(kThem);
  message.destination = solicited_node_address(message.target);
  message.link_address = *MacAddress::parse(kSenderMac);
  EXPECT_EQ(written(message), ndp(kUs, kTheirGroup, 135, 0, kThem, option(1, kSenderMac)).bytes());
}

TEST(Ndp, WritesASolicitedAdvertisement) {
  NdpMessage message;
  message.is_advertisement = message.solicited = message.overrides = true;
  message.source = message.target = *IpAddress::parse(kUs);
  message.destination = *IpAddress::parse(kThem);
  message.link_address = *MacAddress::parse(kSenderMac);
  EXPECT_EQ(written(message), ndp(kUs, kThem, 136, 0x60000000, kUs, option(2, kSenderMac)).bytes());
}

TEST(Ndp, WritesNoOptionWithoutALinkAddress) {
  NdpMessage message;
  message.destination = *IpAddress::parse(kTheirGroup);
  message.target = *IpAddress::parse(kThem);
  EXPECT_EQ(written(message), ndp("::", kTheirGroup, 135, 0, kThem, {}).bytes());
}

TEST(Ndp, KnowsTheGroups) {
  EXPECT_EQ(solicited_node_address(*IpAddress::parse(kThem)).to_string(), kTheirGroup);
  EXPECT_EQ(all_nodes_address().to_string(), "ff02::1");
  EXPECT_EQ(multicast_mac(*IpAddress::parse(kTheirGroup)).to_string(), "33:33:ff:34:56:78");  // RFC 2464, 7
}

TEST(Ndp, ReadsASolicitation) {
  const Bytes bytes = ndp(kThem, "ff02::1:ff00:1", 135, 0, kUs, option(1, kSenderMac)).bytes();
  const auto message = parse_ndp(bytes, 40);
  ASSERT_TRUE(message);
  EXPECT_FALSE(message->is_advertisement);
  EXPECT_EQ(message->source.to_string(), kThem);
  EXPECT_EQ(message->target.to_string(), kUs);
  ASSERT_TRUE(message->link_address);
  EXPECT_EQ(message->link_address->to_string(), kSenderMac);
}

TEST(Ndp, ReadsAnAdvertisementAndSkipsOptionsItDoesNotKnow) {
  Bytes options = {14, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14};  // a nonce, 16 bytes
  test::append(options, option(1, "02:00:00:00:00:99"));  // a source option has no place here
  test::append(options, option(2, kSenderMac));
  const auto message = parse_ndp(ndp(kThem, kUs, 136, 0x40000000, kThem, options).bytes(), 40);
  ASSERT_TRUE(message);
  EXPECT_TRUE(message->is_advertisement);
  EXPECT_TRUE(message->solicited);
  EXPECT_FALSE(message->overrides);
  ASSERT_TRUE(message->link_address);
  EXPECT_EQ(message->link_address->to_string(), kSenderMac);
}

TEST(Ndp, DiscardsWhatRfc4861TellsToDiscard) {
  const auto solicitation = ndp(kThem, "ff02::1:ff00:1", 135, 0, kUs, option(1, kSenderMac));
  EXPECT_TRUE(parse_ndp(solicitation.bytes(), 40));
  auto forwarded = solicitation;
  EXPECT_FALSE(parse_ndp(forwarded.ttl(254).bytes(), 40)) << "hop limit: not from this link";
  const Bytes whole = solicitation.bytes();
  EXPECT_FALSE(parse_ndp(std::span(whole).first(63), 40)) << "cut short";
  EXPECT_FALSE(parse_ndp(ndp(kThem, kUs, 135, 0, "ff02::1", {}).bytes(), 40)) << "asks for a group";
  EXPECT_FALSE(parse_ndp(ndp(kThem, kUs, 135, 0, kUs, {1, 0, 0, 0, 0, 0, 0, 0}).bytes(), 40))
      << "empty option";
  EXPECT_FALSE(parse_ndp(ndp(kThem, kUs, 135, 0, kUs, {1, 2, 0, 0, 0, 0, 0, 0}).bytes(), 40))
      << "an option beyond the end";
  EXPECT_FALSE(parse_ndp(ndp("::", "ff02::1:ff00:1", 135, 0, kUs, option(1, kSenderMac)).bytes(), 40))
      << "nobody's address with a link address";
  EXPECT_FALSE(parse_ndp(ndp("::", kUs, 135, 0, kUs, {}).bytes(), 40))
      << "duplicate address detection by unicast";
  EXPECT_TRUE(parse_ndp(ndp("::", "ff02::1:ff00:1", 135, 0, kUs, {}).bytes(), 40));
  EXPECT_FALSE(parse_ndp(ndp(kThem, "ff02::1", 136, 0x40000000, kThem, option(2, kSenderMac)).bytes(), 40))
      << "solicited, but to a group";
  EXPECT_FALSE(parse_ndp(ndp(kThem, kUs, 133, 0, kUs, {}).bytes(), 40)) << "a router solicitation";
}

}  // namespace
}  // namespace sluice::dataplane
