#include "common/address.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <vector>

namespace sluice {
namespace {

IpAddress address(std::string_view text) {
  return IpAddress::parse(text).value();
}

Prefix prefix(std::string_view text) {
  return Prefix::parse(text).value();
}

TEST(IpAddress, KeepsIpv4Mapped) {
  const std::array<uint8_t, 16> mapped = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
  EXPECT_EQ(address("192.0.2.1").bytes(), mapped);
  EXPECT_EQ(IpAddress::v4(Be32::from_host(0xc0000201)), address("192.0.2.1"));
  EXPECT_EQ(IpAddress::v6(mapped.data()), address("192.0.2.1"));
  EXPECT_TRUE(address("192.0.2.1").is_v4());
  EXPECT_EQ(address("192.0.2.1").as_v4().host(), 0xc0000201u);
}

TEST(IpAddress, TellsTheFamilies) {
  for (const auto* text :
       {"::", "::1", "::192.0.2.1", "2001:db8::1", "::1:ffff:c000:201", "1::ffff:192.0.2.1"}) {
    EXPECT_TRUE(address(text).is_v6()) << text;
  }
  EXPECT_TRUE(address("::ffff:192.0.2.1").is_v4());
  EXPECT_TRUE(IpAddress().is_v6());
}

TEST(IpAddress, WritesTheFormOfRfc5952) {
  // Sections 4.1 to 4.3 and 5.
  EXPECT_EQ(address("2001:0db8::0001").to_string(), "2001:db8::1");
  EXPECT_EQ(address("2001:db8:0:0:0:0:2:1").to_string(), "2001:db8::2:1");
  EXPECT_EQ(address("2001:db8:0:1:1:1:1:1").to_string(), "2001:db8:0:1:1:1:1:1");
  EXPECT_EQ(address("2001:0:0:1:0:0:0:1").to_string(), "2001:0:0:1::1");
  EXPECT_EQ(address("2001:db8:0:0:1:0:0:1").to_string(), "2001:db8::1:0:0:1");
  EXPECT_EQ(address("2001:DB8::AB").to_string(), "2001:db8::ab");
  EXPECT_EQ(address("203.0.113.255").to_string(), "203.0.113.255");
}

TEST(IpAddress, RefusesWhatIsNoAddress) {
  for (const auto* text : {"", "192.0.2", "192.0.2.256", "192.0.2.1/24", "192.0.2.1:80", "192.0.2.1 ",
                           "2001:db8::1::2", "[2001:db8::1]", "fe80::1%eth0", "12345::", "host.example",
                           "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"}) {
    const auto result = IpAddress::parse(text);
    ASSERT_FALSE(result) << text;
    EXPECT_NE(result.error().message.find("is not an IPv4 or IPv6 address"), std::string::npos);
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("192.0.2.1\0", 10)));
}

TEST(IpAddress, DoesNotRepeatEndlessInput) {
  EXPECT_LT(IpAddress::parse(std::string(1 << 20, 'x')).error().message.size(), 200u);
}

TEST(IpAddress, OrdersByBytes) {
  EXPECT_LT(address("9.255.255.255"), address("10.0.0.0"));
  EXPECT_LT(address("::1"), address("0.0.0.0")) << "which is ::ffff:0:0";
  EXPECT_LT(address("255.255.255.255"), address("2001:db8::"));
}

TEST(Prefix, ParsesItsOwnFamilysLengths) {
  EXPECT_EQ(prefix("192.0.2.0/24").length, 24);
  EXPECT_EQ(prefix("192.0.2.1").length, 32);
  EXPECT_EQ(prefix("2001:db8::1").length, 128);
  EXPECT_EQ(prefix("0.0.0.0/0").length, 0);
  for (const auto* text : {"192.0.2.0/33", "2001:db8::/129", "192.0.2.0/", "192.0.2.0/-1", "192.0.2.0/+8",
                           "192.0.2.0/8x", "192.0.2.0/ 8", "/24", "192.0.2.0/99999999999"}) {
    EXPECT_FALSE(Prefix::parse(text)) << text;
  }
}

TEST(Prefix, RefusesHostBitsAndNamesTheNetwork) {
  const auto refused = Prefix::parse("192.0.2.77/26");
  ASSERT_FALSE(refused);
  EXPECT_NE(refused.error().message.find("192.0.2.64/26"), std::string::npos) << refused.error().message;
  const auto interface = Prefix::parse("192.0.2.77/26", true);
  ASSERT_TRUE(interface);
  EXPECT_EQ(interface->address, address("192.0.2.77"));
  EXPECT_EQ(interface->network(), prefix("192.0.2.64/26"));
  EXPECT_EQ(interface->to_string(), "192.0.2.77/26");
}

TEST(Prefix, KeepsTheFamiliesApart) {
  EXPECT_FALSE(prefix("::/0").contains(address("192.0.2.1")));
  EXPECT_FALSE(prefix("0.0.0.0/0").contains(address("2001:db8::1")));
  EXPECT_FALSE(prefix("::/0").overlaps(prefix("0.0.0.0/0")));
}

TEST(Prefix, OverlapsWhereOneHoldsTheOther) {
  EXPECT_TRUE(prefix("198.18.0.0/15").overlaps(prefix("198.19.255.0/24")));
  EXPECT_TRUE(prefix("198.19.255.0/24").overlaps(prefix("198.18.0.0/15")));
  EXPECT_FALSE(prefix("198.18.0.0/16").overlaps(prefix("198.19.0.0/16")));
}

/// Bit by bit, the first of the first byte on the wire being bit 0.
bool bit(const IpAddress& of, unsigned at) {
  return (of.bytes()[at / 8] >> (7 - at % 8) & 1) != 0;
}

RC_GTEST_PROP(Prefix, ContainsWhatSharesItsBits, (std::array<uint8_t, 16> bytes, bool is_v4)) {
  if (is_v4) {
    std::fill_n(bytes.begin(), 10, uint8_t{0});
    bytes[10] = bytes[11] = 0xff;
  }
  const IpAddress one = IpAddress::v6(bytes.data());
  const unsigned skipped = one.is_v4() ? 96 : 0;
  const auto length = *rc::gen::inRange<uint8_t>(0, static_cast<uint8_t>(128 - skipped + 1));
  const Prefix network = Prefix{one, length}.network();
  for (unsigned i = 0; i < 128; ++i) {
    RC_ASSERT(bit(network.address, i) == (i < skipped + length && bit(one, i)));
  }
  const auto flipped = *rc::gen::inRange<unsigned>(skipped, 128);
  bytes[flipped / 8] = static_cast<uint8_t>(bytes[flipped / 8] ^ (0x80 >> (flipped % 8)));
  const IpAddress other = IpAddress::v6(bytes.data());
  RC_PRE(other.is_v4() == one.is_v4());
  RC_ASSERT(network.contains(one));
  RC_ASSERT(network.contains(other) == (flipped >= skipped + length));
}

TEST(MacAddress, ParsesSixOctets) {
  const auto mac = MacAddress::parse("02:00:5E:10:00:ff");
  ASSERT_TRUE(mac);
  EXPECT_EQ(mac->bytes, (std::array<uint8_t, 6>{0x02, 0x00, 0x5e, 0x10, 0x00, 0xff}));
  EXPECT_EQ(mac->to_string(), "02:00:5e:10:00:ff");
  for (const auto* text : {"", "02:00:5e:10:00", "02:00:5e:10:00:ff:", "02-00-5e-10-00-ff",
                           "02:00:5e:10:00:fg", "2:0:5e:10:0:ff", "02:00:5e:10:00:-1", "0x:00:5e:10:00:ff"}) {
    EXPECT_FALSE(MacAddress::parse(text)) << text;
  }
}

TEST(MacAddress, KnowsItsKinds) {
  EXPECT_TRUE(MacAddress::parse("01:00:5e:00:00:01")->is_multicast());
  EXPECT_TRUE(MacAddress::parse("ff:ff:ff:ff:ff:ff")->is_multicast());
  EXPECT_FALSE(MacAddress::parse("02:00:00:00:00:01")->is_multicast());
  EXPECT_TRUE(MacAddress{}.is_zero());
  EXPECT_FALSE(MacAddress::parse("02:00:00:00:00:00")->is_zero());
}

}  // namespace
}  // namespace sluice
