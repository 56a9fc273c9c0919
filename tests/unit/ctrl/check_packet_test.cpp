// The packets in hexadecimal were made by scapy 2.5.
#include "ctrl/wire/check_packet.h"

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include "ctrl/net/byte_stream.h"

namespace sluice::ctrl {
namespace {

using PacketBytes = std::vector<uint8_t>;

PacketBytes from_hex(std::string_view text) {
  PacketBytes bytes;
  for (size_t i = 0; i < text.size(); i += 2) {
    bytes.push_back(static_cast<uint8_t>(std::stoul(std::string(text.substr(i, 2)), nullptr, 16)));
  }
  return bytes;
}

struct Vectors {
  const char* own;
  const char* peer;
  const char* syn;
  const char* data;
  const char* query;
  const char* syn_ack;
  const char* reply;
};
constexpr Vectors kV4 = {
    "198.18.20.1",
    "203.0.113.50",
    "4500002c0000400040062486c6121401cb0071329c40005011223344000000006002800021d90000020404c4",
    "4500002b0000400040062487c6121401cb0071329c400050112233455566778950188000d0550000474554",
    "450000210000400040112486c6121401cb0071329c400035000dfd2f7175657279",
    "45000034000040004006247ecb007132c612140100509c4055667788112233458012ffffabd5000001030307020405b40402000"
    "0",
    "450000220000400040112485cb007132c612140100359c40000e12be616e73776572"};
constexpr Vectors kV6 = {"2001:db8:20::1",
                         "2001:db8:f::50",
                         "600000000018064020010db800200000000000000000000120010db8000f0000000000000000"
                         "00509c400050112233440000000060028000dc2d0000020404c4",
                         "600000000017064020010db800200000000000000000000120010db8000f0000000000000000"
                         "00509c4000501122334555667789501880008aaa0000474554",
                         "60000000000d114020010db800200000000000000000000120010db8000f0000000000000000"
                         "00509c400035000db7847175657279",
                         "600000000020064020010db8000f0000000000000000005020010db8002000000000000000000001"
                         "00509c4055667788112233458012ffff662a000001030307020405b404020000",
                         "60000000000e114020010db8000f0000000000000000005020010db8002000000000000000000001"
                         "00359c40000ecd12616e73776572"};

class CheckPacketTest : public testing::TestWithParam<Vectors> {
 protected:
  CheckEnds ends(uint16_t peer_port) const {
    return {IpAddress::parse(GetParam().own).value(), 40000, IpAddress::parse(GetParam().peer).value(),
            peer_port};
  }
  PacketBytes tcp(const TcpSegment& segment) {
    room_.resize(1500);
    room_.resize(write_tcp(room_, ends(80), segment));
    return room_;
  }
  PacketBytes room_;
};
INSTANTIATE_TEST_SUITE_P(Families, CheckPacketTest, testing::Values(kV4, kV6),
                         [](const auto& info) { return info.index == 0 ? "Ipv4" : "Ipv6"; });

TEST_P(CheckPacketTest, AreWrittenAsScapyWritesThem) {
  EXPECT_EQ(tcp({.sequence = 0x11223344, .flags = TcpHeader::kSyn, .window = 32768, .most_payload = 1220}),
            from_hex(GetParam().syn));
  EXPECT_EQ(tcp({.sequence = 0x11223345,
                 .acknowledgment = 0x55667789,
                 .flags = TcpHeader::kAck | 0x08,
                 .window = 32768,
                 .payload = bytes_of("GET")}),
            from_hex(GetParam().data));
  room_.resize(1500);
  room_.resize(write_udp(room_, ends(53), bytes_of("query")));
  EXPECT_EQ(room_, from_hex(GetParam().query));
}

TEST_P(CheckPacketTest, AreReadAsScapyWroteThem) {
  const PacketBytes packet = from_hex(GetParam().syn_ack);
  const auto segment = read_tcp(packet, ends(80));
  ASSERT_TRUE(segment);
  EXPECT_EQ(segment->sequence, 0x55667788u);
  EXPECT_EQ(segment->acknowledgment, 0x11223345u);
  EXPECT_EQ(segment->flags, TcpHeader::kSyn | TcpHeader::kAck);
  EXPECT_EQ(segment->window, 65535);
  EXPECT_EQ(segment->most_payload, 1460);
  EXPECT_TRUE(segment->payload.empty());
  EXPECT_EQ(destination_port_of(packet), 40000);

  const PacketBytes reply = from_hex(GetParam().reply);
  const auto payload = read_udp(reply, ends(53));
  ASSERT_TRUE(payload);
  EXPECT_EQ(std::string(payload->begin(), payload->end()), "answer");
  EXPECT_FALSE(read_tcp(reply, ends(53)));
}

TEST_P(CheckPacketTest, OfOthersOrCutAreNone) {
  const PacketBytes packet = from_hex(GetParam().syn_ack);
  EXPECT_FALSE(read_tcp(packet, ends(81)));
  for (size_t size = 0; size < packet.size(); ++size) {
    EXPECT_FALSE(read_tcp(std::span(packet).first(size), ends(80))) << size;
    (void)destination_port_of(std::span(packet).first(size));
  }
  CheckEnds swapped = ends(80);
  std::swap(swapped.own, swapped.peer);
  EXPECT_FALSE(read_tcp(packet, swapped));
}

TEST_P(CheckPacketTest, ThatDoNotFitAreNotWritten) {
  std::array<uint8_t, 60> room;
  const std::array<uint8_t, 60> payload{};
  EXPECT_EQ(write_tcp(room, ends(80), {.payload = payload}), 0u);
  EXPECT_EQ(write_udp(room, ends(80), payload), 0u);
}

}  // namespace
}  // namespace sluice::ctrl
