// Which packets are plain, beside the parser that judges all.
#include "dataplane/packet/plain_packets.h"

#include <gtest/gtest.h>

#include <cstring>
#include <list>
#include <random>
#include <utility>

#include "dataplane/packet/describe.h"
#include "dataplane/packet/parser.h"
#include "tests/support/packet_builder.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::ethernet;
using test::ip;
using test::Link;
using test::PacketBuilder;

constexpr const char* kClient = "198.51.100.7";
constexpr const char* kVip = "203.0.113.10";
constexpr const char* kClient6 = "2001:db8:c::7";
constexpr const char* kVip6 = "2001:db8:1::10";
const Link kToPort{"02:00:00:00:00:99", "02:00:00:00:00:01"};
const lb::FlowHash kHash(42);

PortView port(std::vector<uint16_t> vlans = {}) {
  PortView view;
  view.mac = *MacAddress::parse("02:00:00:00:00:01");
  view.vlan_tags = static_cast<uint8_t>(vlans.size());
  std::copy(vlans.begin(), vlans.end(), view.vlan_ids.begin());
  return view;
}

/// Frames in buffers with `room` bytes behind each, so that a sanitizer sees what is read beyond that.
class Burst {
 public:
  rte_mbuf& add(const Bytes& frame, size_t room = 64, size_t front = PlainPackets::kRoomInFront) {
    Bytes& buffer = buffers_.emplace_back(front + frame.size() + room);
    std::ranges::copy(frame, buffer.begin() + static_cast<ptrdiff_t>(front));
    rte_mbuf& packet = packets_.emplace_back();
    packet.buf_addr = buffer.data();
    packet.buf_len = static_cast<uint16_t>(buffer.size());
    packet.data_off = static_cast<uint16_t>(front);
    packet.data_len = static_cast<uint16_t>(frame.size());
    packet.pkt_len = packet.data_len;
    packet.nb_segs = 1;
    frames_.push_back(&packet);
    return packet;
  }
  rte_mbuf& add(const PacketBuilder& packet) { return add(ethernet(kToPort, packet)); }
  PlainPackets look(const PortView& view = port()) const { return {frames_, view, kHash}; }
  std::span<rte_mbuf* const> frames() const { return frames_; }

 private:
  std::list<Bytes> buffers_;
  std::list<rte_mbuf> packets_;
  std::vector<rte_mbuf*> frames_;
};

PacketBuilder tcp() {
  return ip(kClient, kVip).tcp(40000, 80).ack();
}
PacketBuilder udp() {
  return ip(kClient, kVip).udp(40000, 53);
}

PacketBuilder tcp6() {
  return ip(kClient6, kVip6).tcp(40000, 80).ack();
}
PacketBuilder udp6() {
  return ip(kClient6, kVip6).udp(40000, 53);
}

DropReason parse_one(const rte_mbuf& packet, const PortView& view, PacketMeta& meta) {
  const auto* const bytes = rte_pktmbuf_mtod(&packet, const uint8_t*);
  return parse({bytes, packet.data_len}, view, {}, meta);
}

/// Whatever is sound is what the parser says of it, and plain if it turns nothing.
void expect_parser_agrees(const Burst& burst, const PlainPackets& packets, const PortView& view = port()) {
  for (size_t i = 0; i < burst.frames().size(); ++i) {
    if (!packets.is_sound(i)) {
      EXPECT_FALSE(packets.is_plain(i));
      continue;
    }
    PacketMeta meta, described;
    ASSERT_EQ(parse_one(*burst.frames()[i], view, meta), DropReason::kNone);
    EXPECT_EQ(meta.kind, PacketKind::kFlow);
    EXPECT_EQ(packets.is_plain(i), (meta.tcp_flags & TcpHeader::kTurning) == 0);
    ASSERT_TRUE(describe(packets, i, *burst.frames()[i], described));
    EXPECT_EQ(std::exchange(described.flow_hash, 0), kHash(meta.key));
    EXPECT_EQ(std::memcmp(&described, &meta, sizeof meta), 0) << i;
    EXPECT_EQ(packets.is_v4(i), meta.is_v4());
    EXPECT_EQ(packets.ip(i), rte_pktmbuf_mtod_offset(burst.frames()[i], uint8_t*, meta.l3_offset));
    EXPECT_EQ(packets.hash(i), kHash(meta.key));
    EXPECT_EQ(*packets.all_frame_bytes(i), burst.frames()[i]->data_len);
    // The same of eights of one family alone.
    const size_t first = i / PlainPackets::kLanes * PlainPackets::kLanes;
    if (!packets.are_v4(first) && !packets.are_v6(first)) continue;
    const bool is_udp = meta.key.protocol == IpProtocol::kUdp;
    EXPECT_EQ((packets.of_udp(first) >> (i - first) & 1) != 0, is_udp);
    const uint8_t* const l4 = packets.ip(i) + (meta.is_v4() ? sizeof(Ipv4Header) : sizeof(Ipv6Header));
    EXPECT_EQ(packets.layer_4_words(first)[i - first], load<uint32_t>(l4 + (is_udp ? 4 : 16)));
    if (!meta.is_v4()) continue;
    EXPECT_EQ(packets.header_words(first)[i - first], load<uint32_t>(packets.ip(i) + 8));
  }
}

bool is_plain(const PacketBuilder& packet) {
  Burst burst;
  burst.add(packet);
  const PlainPackets packets = burst.look();
  expect_parser_agrees(burst, packets);
  return packets.is_plain(0);
}

TEST(PlainPackets, AreOrdinarySegmentsAndDatagramsOfAnySize) {
  for (const PacketBuilder& packet :
       {tcp(), udp(), udp().l4_checksum(0), tcp().tcp_flags(0x18).data_offset(5), tcp6(), udp6(),
        tcp6().tcp_flags(0x18)}) {
    for (const size_t payload :
         {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 19, 20, 21, 24, 25, 31, 64, 511, 1400}) {
      EXPECT_TRUE(is_plain(PacketBuilder(packet).payload_bytes(static_cast<size_t>(payload)))) << payload;
    }
  }
}

TEST(PlainPackets, AreSummedToTheirEndsWhereAllOfEightAreALittleLongerThanALane) {
  struct Shape {
    PacketBuilder packet;
    size_t least;  ///< payload of which a lane does not read the last byte
  };
  for (const auto& [packet, least] : {Shape{tcp(), 9}, Shape{tcp6(), 5}}) {
    for (size_t start = 0; start < 16; ++start) {
      for (size_t wrong = 0; wrong < PlainPackets::kLanes; ++wrong) {
        Burst burst;
        for (size_t i = 0; i < PlainPackets::kLanes; ++i) {
          const size_t payload = least + (start + 5 * i) % 16;
          Bytes frame = ethernet(kToPort, PacketBuilder(packet).payload_bytes(payload));
          if (i == wrong) frame.back() ^= 0x40;
          frame.resize(frame.size() + start % 3, 0xee);
          burst.add(frame, 1600 - frame.size());
        }
        const PlainPackets packets = burst.look();
        for (size_t i = 0; i < PlainPackets::kLanes; ++i)
          EXPECT_EQ(packets.is_plain(i), i != wrong) << start << " " << i;
      }
    }
  }
}

TEST(PlainPackets, MayHaveTcpOptionsPaddingAndAnyTrafficClass) {
  EXPECT_TRUE(is_plain(tcp().data_offset(8).payload_bytes(12)));
  EXPECT_TRUE(is_plain(tcp6().data_offset(8).payload_bytes(12)));
  EXPECT_TRUE(is_plain(tcp().traffic_class(0xb8)));
  EXPECT_TRUE(is_plain(tcp6().traffic_class(0xb8).flow_label(0xfffff)));
  EXPECT_TRUE(is_plain(tcp().dont_fragment(false).ip_id(0)));
  Burst burst;
  Bytes padded = ethernet(kToPort, tcp());
  padded.resize(60, 0xee);
  burst.add(padded);
  EXPECT_TRUE(burst.look().is_plain(0));
}

TEST(PlainPackets, AreNoneOfOtherKinds) {
  const std::vector<std::pair<const char*, PacketBuilder>> others = {
      {"SYN", tcp().syn()},
      {"FIN", tcp().fin()},
      {"RST", tcp().rst()},
      {"its time is over", tcp().ttl(1)},
      {"no time", tcp().ttl(0)},
      {"options", tcp().options({1, 1, 1, 1})},
      {"first fragment", tcp().fragment_field(0x2000)},
      {"later fragment", tcp().fragment_field(0x0001)},
      {"far fragment", tcp().fragment_field(0x1f00)},
      {"another version", tcp().version(6)},
      {"short header", tcp().header_words(4)},
      {"wrong header checksum", tcp().ip_checksum(0x1234)},
      {"wrong TCP checksum", tcp().l4_checksum(0x1234).payload_bytes(9)},
      {"wrong UDP checksum", udp().l4_checksum(0x1234).payload_bytes(9)},
      {"wrong checksum of a long packet", udp().l4_checksum(0x1234).payload_bytes(900)},
      {"longer than the frame", tcp().length_field(41)},
      {"shorter than TCP", tcp().length_field(39)},
      {"shorter than UDP", udp().length_field(27)},
      {"shorter than IP", udp().length_field(19)},
      {"short TCP header", tcp().data_offset(4)},
      {"TCP header beyond the packet", tcp().data_offset(6)},
      {"UDP length too long", udp().udp_length(9)},
      {"UDP length too short", udp().udp_length(7).payload_bytes(1)},
      {"ICMP", ip(kClient, kVip).icmp(8, 0, 1)},
      {"IP in IP", ip(kClient, kVip).protocol(4).payload(tcp())},
      {"SYN over IPv6", tcp6().syn()},
      {"FIN over IPv6", tcp6().fin()},
      {"RST over IPv6", tcp6().rst()},
      {"its time is over, over IPv6", tcp6().ttl(1)},
      {"no time, over IPv6", tcp6().ttl(0)},
      {"another version over IPv6", tcp6().version(4)},
      {"destination options", tcp6().extension(60, {0, 0, 1, 4, 0, 0, 0, 0})},
      {"hop-by-hop options", tcp6().extension(0, {0, 0, 1, 4, 0, 0, 0, 0})},
      {"fragment over IPv6", tcp6().extension(44, {0, 0, 0, 1, 0, 0, 0, 0})},
      {"wrong TCP checksum over IPv6", tcp6().l4_checksum(0x1234).payload_bytes(9)},
      {"wrong UDP checksum over IPv6", udp6().l4_checksum(0x1234).payload_bytes(9)},
      {"wrong checksum of a long packet over IPv6", udp6().l4_checksum(0x1234).payload_bytes(900)},
      {"no UDP checksum over IPv6", udp6().l4_checksum(0)},
      {"longer than the frame over IPv6", tcp6().length_field(21)},
      {"shorter than TCP over IPv6", tcp6().length_field(19)},
      {"shorter than UDP over IPv6", udp6().length_field(7)},
      {"nothing over IPv6", udp6().length_field(0)},
      {"short TCP header over IPv6", tcp6().data_offset(4)},
      {"TCP header beyond the packet over IPv6", tcp6().data_offset(6)},
      {"UDP length too long over IPv6", udp6().udp_length(9)},
      {"UDP length too short over IPv6", udp6().udp_length(7).payload_bytes(1)},
      {"ICMPv6", ip(kClient6, kVip6).icmp(128, 0, 1)},
      {"a mapped source", ip("::ffff:198.51.100.7", kVip6).tcp(40000, 80).ack()},
      {"a mapped destination", ip(kClient6, "::ffff:203.0.113.10").tcp(40000, 80).ack()},
  };
  for (const auto& [name, packet] : others) EXPECT_FALSE(is_plain(packet)) << name;
}

TEST(PlainPackets, AreForThePortAlone) {
  Burst burst;
  burst.add(ethernet({"02:00:00:00:00:99", "02:00:00:00:00:02"}, tcp()));
  burst.add(ethernet({"02:00:00:00:00:99", "ff:ff:ff:ff:ff:ff"}, tcp()));
  burst.add(ethernet(kToPort, tcp().bytes(), 0x0806));
  burst.add(ethernet({kToPort.source, kToPort.destination, {100}}, tcp()));
  for (size_t i = 0; i < burst.frames().size(); ++i) EXPECT_FALSE(burst.look().is_plain(i)) << i;
}

TEST(PlainPackets, HaveThePortsVlanTags) {
  Burst burst;
  burst.add(ethernet(kToPort, tcp()));
  burst.add(ethernet({kToPort.source, kToPort.destination, {100}}, tcp()));
  burst.add(ethernet({kToPort.source, kToPort.destination, {101}}, tcp()));
  burst.add(ethernet({kToPort.source, kToPort.destination, {100, 200}}, tcp()));
  burst.add(ethernet({kToPort.source, kToPort.destination, {200, 100}}, tcp()));
  const std::vector<std::pair<PortView, size_t>> ports = {
      {port(), 0}, {port({100}), 1}, {port({100, 200}), 3}};
  for (const auto& [view, own] : ports) {
    const PlainPackets packets = burst.look(view);
    for (size_t i = 0; i < burst.frames().size(); ++i) EXPECT_EQ(packets.is_plain(i), i == own) << i;
    expect_parser_agrees(burst, packets, view);
  }
}

TEST(PlainPackets, BelieveTheDevice) {
  constexpr uint64_t kGood = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  Burst burst;
  burst.add(tcp().l4_checksum(1).ip_checksum(1)).ol_flags = kGood;
  burst.add(tcp()).ol_flags = kGood;
  burst.add(tcp()).ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_BAD;
  burst.add(tcp()).ol_flags = RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
  const PlainPackets packets = burst.look();
  EXPECT_TRUE(packets.is_plain(0));
  EXPECT_TRUE(packets.is_plain(1));
  EXPECT_FALSE(packets.is_plain(2));
  EXPECT_FALSE(packets.is_plain(3));
}

TEST(PlainPackets, AreWholeAndInOneSegment) {
  Burst burst;
  burst.add(tcp().payload_bytes(50)).nb_segs = 2;
  for (size_t bytes = 0; bytes < ethernet(kToPort, tcp()).size(); ++bytes) {
    if (burst.frames().size() == PlainPackets::kMost) burst = {};
    Bytes cut = ethernet(kToPort, tcp());
    cut.resize(bytes);
    burst.add(cut);
    const PlainPackets packets = burst.look();
    for (size_t i = 0; i < burst.frames().size(); ++i) EXPECT_FALSE(packets.is_plain(i)) << bytes;
  }
}

TEST(PlainPackets, AreNotReadBehindTheirBuffer) {
  for (size_t room = 0; room <= 8; ++room) {
    Burst burst;
    burst.add(ethernet(kToPort, tcp()), room);       // 54 bytes
    burst.add(ethernet(kToPort, udp6()), room + 8);  // 62 bytes
    EXPECT_EQ(burst.look().is_plain(0), room == 8) << room;
    EXPECT_EQ(burst.look().is_plain(1), room == 8) << room;
  }
}

TEST(PlainPackets, HaveRoomInFrontForEveryOtherHeader) {
  for (const size_t missing : {0, 1, 6}) {
    Burst burst;
    burst.add(ethernet(kToPort, udp()), 64, PlainPackets::kRoomInFront - missing);
    burst.add(ethernet(kToPort, udp()));
    EXPECT_EQ(burst.look().is_plain(0), missing == 0) << missing;
    EXPECT_TRUE(burst.look().is_plain(1)) << "whatever the buffer before it is like";
  }
}

TEST(PlainPackets, HideTheirKeyOnlyBehindExtensionHeaders) {
  Burst burst;
  burst.add(tcp6().extension(60, {0, 0, 1, 4, 0, 0, 0, 0}));
  burst.add(tcp6());
  burst.add(tcp());
  burst.add(tcp6().fin());
  burst.add(ip(kClient6, kVip6).icmp(128, 0, 1));
  const PlainPackets packets = burst.look();
  for (size_t i = 0; i < burst.frames().size(); ++i) EXPECT_EQ(packets.hides_key(i), i == 0) << i;
}

TEST(PlainPackets, AreTheSameWhereEightsAreFetchedBeforeOthersAreLookedAt) {
  Burst burst;
  for (size_t i = 0; i < 43; ++i) {
    burst.add(i % 7 == 0 ? udp6() : i % 11 == 0 ? tcp().fin() : tcp().payload_bytes(i));
  }
  const PlainPackets at_once = burst.look();
  PlainPackets in_steps(burst.frames(), port());
  for (size_t first = 0; first < 43 + 16; first += 8) {
    if (first < 43) in_steps.fetch(first);
    if (first >= 16) in_steps.look_at(first - 16, kHash);
  }
  expect_parser_agrees(burst, in_steps);
  for (size_t i = 0; i < 43; ++i) EXPECT_EQ(in_steps.is_plain(i), at_once.is_plain(i)) << i;
  for (size_t first = 0; first < 40; first += 8) {
    bool all = true;
    for (size_t i = first; i < first + 8; ++i) all &= at_once.is_plain(i);
    EXPECT_EQ(in_steps.are_plain(first), all) << first;
  }
}

/// Whole packets with a few bits turned, sometimes with checksums that fit what became of them.
TEST(PlainPackets, AreWhatTheParserSaysOfThemWhateverTheyAre) {
  std::mt19937 random(11);
  const auto below = [&](size_t bound) { return random() % bound; };
  unsigned plain = 0, others = 0;
  for (unsigned round = 0; round < 3000; ++round) {
    Burst burst;
    const size_t count = 1 + below(PlainPackets::kMost);
    const bool are_alike = below(2) == 0;  // their buffers
    for (size_t i = 0; i < count; ++i) {
      // Whole bursts of one family as well as mixed ones.
      const bool is_v6 = round % 3 == 0 ? below(2) == 0 : round % 3 == 1;
      PacketBuilder packet = is_v6 ? (below(2) == 0 ? tcp6() : udp6()) : (below(2) == 0 ? tcp() : udp());
      if (is_v6 && below(16) == 0) packet.extension(60, {0, 0, 1, 4, 0, 0, 0, 0});
      packet.payload_bytes(below(4) == 0 ? below(1400) : below(40)).ttl(static_cast<uint8_t>(below(4)));
      if (below(4) == 0) packet.tcp_flags(static_cast<uint8_t>(random()));
      if (below(8) == 0) packet.data_offset(static_cast<uint8_t>(below(16)));
      if (below(8) == 0) packet.fragment_field(static_cast<uint16_t>(random()));
      if (below(8) == 0) packet.length_field(static_cast<uint16_t>(below(80)));
      Bytes frame = ethernet(kToPort, packet);
      if (below(4) == 0)
        frame[below(std::min<size_t>(frame.size(), 80))] ^= static_cast<uint8_t>(1u << below(8));
      if (below(8) == 0) frame.resize(below(frame.size()));
      burst.add(frame, are_alike ? 1600 - frame.size() : 64);
    }
    const PlainPackets packets = burst.look();
    expect_parser_agrees(burst, packets);
    for (size_t i = 0; i < count; ++i) {
      PacketMeta meta;
      const bool is_flow =
          parse_one(*burst.frames()[i], port(), meta) == DropReason::kNone && meta.kind == PacketKind::kFlow;
      const size_t hops_at = meta.is_v4() ? 14 + 8 : 14 + 7;
      const bool lives = is_flow && *rte_pktmbuf_mtod_offset(burst.frames()[i], uint8_t*, hops_at) > 1;
      const bool is_extended = is_flow && meta.l4_offset > meta.l3_offset + (meta.is_v4() ? 20 : 40);
      const bool is_expected = lives && !is_extended && (meta.tcp_flags & TcpHeader::kTurning) == 0;
      EXPECT_EQ(packets.is_plain(i), is_expected);
      EXPECT_EQ(packets.is_sound(i), lives && !is_extended);
      ++(is_expected ? plain : others);
    }
  }
  EXPECT_GT(plain, 1000u);
  EXPECT_GT(others, 1000u);
}

}  // namespace
}  // namespace sluice::dataplane
