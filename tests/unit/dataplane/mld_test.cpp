// MLD messages, byte by byte. The vectors were made with scapy's layers.
#include "dataplane/packet/mld.h"

#include <gtest/gtest.h>

#include <array>

#include "tests/support/packet_builder.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;

constexpr const char* kGeneralQuery =
    "6000000000240001fe800000000000000000000000000099ff0200000000000000000000000000013a00050200000100"
    "820055fe2710000000000000000000000000000000000000027d0000";
constexpr const char* kGroupQuery =
    "6000000000240001fe800000000000000000000000000099ff0200000000000000000001ff0000103a00050200000100"
    "82007c0003e80000ff0200000000000000000001ff000010027d0000";
constexpr const char* kV1Query =
    "6000000000200001fe800000000000000000000000000099ff0200000000000000000000000000013a00050200000100"
    "8200587f2710000000000000000000000000000000000000";
constexpr const char* kReport =
    "6000000000380001fe80000000000000000000fffe000001ff0200000000000000000000000000163a00050200000100"
    "8f0070be0000000204000000ff0200000000000000000001ff00001003000000ff0200000000000000000001ff000020";
constexpr const char* kV1Report =
    "6000000000200001fe80000000000000000000fffe000001ff0200000000000000000001ff0000103a00050200000100"
    "8300830100000000ff0200000000000000000001ff000010";
constexpr const char* kV1Done =
    "6000000000200001fe80000000000000000000fffe000001ff0200000000000000000000000000023a00050200000100"
    "8400811100000000ff0200000000000000000001ff000010";

Bytes bytes_of(const char* hex) {
  Bytes bytes;
  for (; *hex != 0; hex += 2) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    bytes.push_back(static_cast<uint8_t>(digit(hex[0]) << 4 | digit(hex[1])));
  }
  return bytes;
}

IpAddress parsed(const char* text) {
  return *IpAddress::parse(text);
}

constexpr size_t kIcmpOffset = 48;  // IPv6 header and Router Alert

TEST(MldQuery, IsReadInBothVersions) {
  const auto general = parse_mld_query(bytes_of(kGeneralQuery), kIcmpOffset);
  ASSERT_TRUE(general);
  EXPECT_EQ(general->version, 2);
  EXPECT_EQ(general->group, IpAddress());
  EXPECT_EQ(general->most_delay_ms, 10'000u);
  const auto specific = parse_mld_query(bytes_of(kGroupQuery), kIcmpOffset);
  ASSERT_TRUE(specific);
  EXPECT_EQ(specific->group, parsed("ff02::1:ff00:10"));
  const auto old = parse_mld_query(bytes_of(kV1Query), kIcmpOffset);
  ASSERT_TRUE(old);
  EXPECT_EQ(old->version, 1);
  EXPECT_EQ(old->most_delay_ms, 10'000u);
}

TEST(MldQuery, HasAFloatingPointDelay) {
  Bytes query = bytes_of(kGeneralQuery);
  query[kIcmpOffset + 4] = 0x80;  // exponent 0, mantissa 0
  query[kIcmpOffset + 5] = 0x00;
  EXPECT_EQ(parse_mld_query(query, kIcmpOffset)->most_delay_ms, 32'768u);
  query[kIcmpOffset + 4] = 0xff;
  query[kIcmpOffset + 5] = 0xff;
  EXPECT_EQ(parse_mld_query(query, kIcmpOffset)->most_delay_ms, 8'387'584u) << "RFC 3810, 9.3";
}

TEST(MldQuery, IsDiscardedWhereTheRfcSaysSo) {
  const auto changed = [](size_t at, uint8_t value) {
    Bytes query = bytes_of(kGeneralQuery);
    query[at] = value;
    return parse_mld_query(query, kIcmpOffset).has_value();
  };
  EXPECT_FALSE(changed(7, 2)) << "hop limit";
  EXPECT_FALSE(changed(8, 0x20)) << "a source that is not link-local";
  EXPECT_FALSE(changed(42, 1)) << "no Router Alert: PadN there";
  EXPECT_FALSE(changed(kIcmpOffset, 131)) << "a report";
  Bytes cut = bytes_of(kGeneralQuery);
  cut.resize(kIcmpOffset + 26);
  EXPECT_FALSE(parse_mld_query(cut, kIcmpOffset)) << "neither version's length";
  for (size_t size = 0; size < kIcmpOffset + 24; ++size) {
    EXPECT_FALSE(parse_mld_query({cut.data(), size}, kIcmpOffset)) << size;
  }
}

TEST(MldReport, IsWhatScapyWrites) {
  Bytes report(kMldReportBytes + 2 * kMldRecordBytes);
  write_mld_record(MldRecordType::kChangeToExclude, parsed("ff02::1:ff00:10"), &report[kMldReportBytes]);
  write_mld_record(MldRecordType::kChangeToInclude, parsed("ff02::1:ff00:20"),
                   &report[kMldReportBytes + kMldRecordBytes]);
  write_mld_report(parsed("fe80::ff:fe00:1"), 2, report.data());
  EXPECT_EQ(report, bytes_of(kReport));
}

TEST(MldV1, IsWhatScapyWrites) {
  Bytes message(kMldV1Bytes);
  write_mld_v1(parsed("fe80::ff:fe00:1"), parsed("ff02::1:ff00:10"), false, message.data());
  EXPECT_EQ(message, bytes_of(kV1Report));
  write_mld_v1(parsed("fe80::ff:fe00:1"), parsed("ff02::1:ff00:10"), true, message.data());
  EXPECT_EQ(message, bytes_of(kV1Done));
}

}  // namespace
}  // namespace sluice::dataplane
