// Eight flows at once, beside what is said of one.
#include "dataplane/forward/eight_flows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "lb/balancer.h"

namespace sluice::dataplane {
namespace {

constexpr uint32_t kVersion = 77, kNow = 1'000'000;

using Packet = std::array<uint8_t, 96>;

class Eight : public testing::Test {
 protected:
  Eight() {
    for (size_t i = 0; i < 8; ++i) {
      flows_[i] = &entries_[i];
      ip_[i] = packets_[i].data() + 14;
    }
  }
  uint32_t number() { return static_cast<uint32_t>(random_()); }
  bool one_of(unsigned cases) { return random_() % cases == 0; }
  Be32 any_address() { return Be32::from_network(one_of(8) ? 0 : one_of(8) ? UINT32_MAX : number()); }
  Be16 any_port() { return Be16::from_network(static_cast<uint16_t>(one_of(8) ? 0xffff : number())); }
  IpAddress any_address(bool is_v4) {
    if (is_v4) return IpAddress::v4(any_address());
    std::array<uint8_t, 16> bytes;
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(one_of(4) ? 0xff : number());
    return IpAddress::v6(bytes.data());
  }
  FlowKey any_key(bool is_v4 = true) {
    return {any_address(is_v4),
            any_address(is_v4),
            any_port(),
            any_port(),
            one_of(2) ? IpProtocol::kTcp : IpProtocol::kUdp,
            {}};
  }
  void expect_translated(bool is_v4);

  std::mt19937 random_{5};
  std::array<lb::FlowEntry, 8> entries_;
  std::array<lb::Addresses6, 8> addresses6_;
  std::vector<lb::FlowTable::Bucket> buckets_{lb::FlowTable::buckets_for(8)};
  lb::FlowTable table_{entries_, addresses6_, buckets_, 1};
  std::array<lb::FlowEntry*, 8> flows_;
  std::array<Packet, 8> packets_{};
  std::array<uint8_t*, 8> ip_;
};

/// What bytes, of an even number, add to a checksum, word by word.
uint32_t sum_of(const uint8_t* bytes, size_t size) {
  uint32_t sum = 0;
  for (size_t i = 0; i < size; i += 2) sum += uint32_t{bytes[i]} << 8 | bytes[i + 1];
  return sum;
}
/// The checksum over what comes to that sum.
Be16 checksum_of(uint32_t sum) {
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return Be16::from_host(static_cast<uint16_t>(~sum));
}

size_t write_header(uint8_t* ip, const FlowKey& key, uint8_t ttl, uint16_t id, size_t l4_bytes) {
  if (!key.source.is_v4()) {
    auto& header = *reinterpret_cast<Ipv6Header*>(ip);
    header.version_class_flow = Be32::from_host(6u << 28 | id);
    header.payload_length = Be16::from_host(static_cast<uint16_t>(l4_bytes));
    header.next_header = key.protocol;
    header.hop_limit = ttl;
    header.source = key.source.bytes();
    header.destination = key.destination.bytes();
    return sizeof header;
  }
  auto& header = *reinterpret_cast<Ipv4Header*>(ip);
  header.version_ihl = 0x45;
  header.total_length = Be16::from_host(static_cast<uint16_t>(sizeof header + l4_bytes));
  header.id = Be16::from_host(id);
  header.ttl = ttl;
  header.protocol = key.protocol;
  header.source = key.source.as_v4();
  header.destination = key.destination.as_v4();
  header.checksum = checksum_of(sum_of(ip, sizeof header));
  return sizeof header;
}

/// Writes a packet without payload, with `filling` somewhere in TCP. `is_summed`: whether it has a checksum
/// of layer 4.
void write_packet(uint8_t* ip, const FlowKey& key, uint8_t ttl, uint16_t id, uint64_t filling = 0,
                  bool is_summed = true) {
  const bool is_udp = key.protocol == IpProtocol::kUdp, is_v4 = key.source.is_v4();
  const size_t l4_bytes = is_udp ? sizeof(UdpHeader) : sizeof(TcpHeader);
  std::memset(ip, 0, sizeof(Ipv6Header) + l4_bytes);
  const size_t header_bytes = write_header(ip, key, ttl, id, l4_bytes);
  uint8_t* const l4 = ip + header_bytes;
  store(l4, key.source_port);
  store(l4 + 2, key.destination_port);
  if (is_udp) {
    store(l4 + 4, Be16::from_host(static_cast<uint16_t>(l4_bytes)));
  } else {
    store(l4 + 4, filling);
    store(l4 + 18, static_cast<uint16_t>(filling >> 17));  // the urgent pointer
  }
  const size_t both_addresses = is_v4 ? 8 : 32;
  const Be16 checksum = checksum_of(sum_of(l4 - both_addresses, both_addresses) + sum_of(l4, l4_bytes) +
                                    static_cast<uint32_t>(key.protocol) + static_cast<uint32_t>(l4_bytes));
  if (!is_udp) {
    store(l4 + 16, checksum);
  } else if (is_summed) {
    store(l4 + 6, checksum.network() != 0 ? checksum : Be16::from_host(0xffff));
  }
}

TEST_F(Eight, HaveTheirKeysWhereNoBitDiffersButTheTtlAndTheChecksum) {
  for (size_t i = 0; i < 8; ++i) {
    for (size_t byte = 8; byte < 24; ++byte) {
      for (unsigned bit = 0; bit < 8; ++bit) {
        for (size_t j = 0; j < 8; ++j) {
          const FlowKey key = any_key();
          entries_[j].key = lb::PackedKey::of(key);
          write_packet(ip_[j], key, static_cast<uint8_t>(number()), static_cast<uint16_t>(number()));
        }
        ASSERT_TRUE(have_keys(ip_.data(), flows_.data()));
        ip_[i][byte] ^= static_cast<uint8_t>(1u << bit);
        const bool is_compared = byte != 8 && byte != 10 && byte != 11;
        ASSERT_EQ(have_keys(ip_.data(), flows_.data()), !is_compared) << byte;
      }
    }
  }
}

TEST_F(Eight, HaveTheirKeysOfIpv6WhereNoBitOfThemDiffers) {
  for (unsigned round = 0; round < 1000; ++round) {
    uint32_t udp = 0;
    for (size_t j = 0; j < 8; ++j) {
      const FlowKey key = any_key(false);
      entries_[j].key = lb::PackedKey::of(key);
      addresses6_[j] = {key.source, key.destination, {}, {}};
      udp |= uint32_t{key.protocol == IpProtocol::kUdp} << j;
      write_packet(ip_[j], key, static_cast<uint8_t>(number()), static_cast<uint16_t>(number()), number());
    }
    ASSERT_TRUE(have_keys6(table_, ip_.data(), flows_.data(), udp));
    const size_t i = round % 8;
    ASSERT_FALSE(have_keys6(table_, ip_.data(), flows_.data(), udp ^ 1u << i));
    lb::FlowEntry of_v4 = entries_[i];
    of_v4.key.protocol_and_family ^= lb::PackedKey::kIpv6;
    flows_[i] = &of_v4;  // of no table: its addresses must not be looked at
    ASSERT_FALSE(have_keys6(table_, ip_.data(), flows_.data(), udp));
    flows_[i] = &entries_[i];
    const size_t byte = 8 + random_() % 36;  // addresses and ports
    ip_[i][byte] ^= static_cast<uint8_t>(1u << random_() % 8);
    ASSERT_FALSE(have_keys6(table_, ip_.data(), flows_.data(), udp)) << byte;
  }
}

void Eight::expect_translated(bool is_v4) {
  std::array<unsigned, 3> rounds{};  // of TCP alone, of both, of UDP alone
  for (unsigned round = 0; round < 50'000; ++round) {
    std::array<Packet, 8> expected{};
    const unsigned kinds = number() % 3;
    std::array<uint32_t, 8> headers, layer_4;
    uint32_t udp = 0;
    for (size_t i = 0; i < 8; ++i) {
      FlowKey from = any_key(is_v4), to = any_key(is_v4);
      if (kinds != 1) from.protocol = kinds == 0 ? IpProtocol::kTcp : IpProtocol::kUdp;
      to.protocol = from.protocol;
      entries_[i].key = lb::PackedKey::of(from);
      entries_[i].rewrite = lb::Rewrite::between(from, to);
      addresses6_[i] = {from.source, from.destination, to.source, to.destination};
      const auto ttl = static_cast<uint8_t>(2 + random_() % 254);
      const auto id = static_cast<uint16_t>(number());
      const uint64_t filling = one_of(8) ? UINT64_MAX : number();
      const bool is_summed = !is_v4 || !one_of(4);
      write_packet(ip_[i], from, ttl, id, filling, is_summed);
      write_packet(expected[i].data() + 14, to, ttl - 1, id, filling, is_summed);
      const bool is_udp = from.protocol == IpProtocol::kUdp;
      udp |= uint32_t{is_udp} << i;
      headers[i] = load<uint32_t>(ip_[i] + 8);
      layer_4[i] = load<uint32_t>(ip_[i] + (is_v4 ? 20 : 40) + (is_udp ? 4 : 16));
    }
    const ChecksumWords words{load<Lanes>(headers.data()), load<Lanes>(layer_4.data()), udp};
    is_v4 ? translate_eight<true>(table_, ip_.data(), flows_.data(), words)
          : translate_eight<false>(table_, ip_.data(), flows_.data(), words);
    for (size_t i = 0; i < 8; ++i) {
      ASSERT_EQ(packets_[i], expected[i]) << round << ", " << i;
      packets_[i] = {};
    }
    ++rounds[udp == 0 ? 0 : udp == 0xff ? 2 : 1];
  }
  for (const unsigned count : rounds) EXPECT_GT(count, 10'000u);
}

TEST_F(Eight, GetTheOtherEndsAndRightChecksums) {
  expect_translated(true);
}

TEST_F(Eight, GetTheOtherEndsOfIpv6AndRightChecksums) {
  expect_translated(false);
}

TEST_F(Eight, HaveTheirLinkHeadersInFront) {
  std::array<LinkHeader, 8> links;
  for (const size_t size : {sizeof(EthernetHeader), LinkHeader::kMostBytes}) {
    for (size_t i = 0; i < 8; ++i) {
      for (uint8_t& byte : links[i].header) byte = static_cast<uint8_t>(number());
      packets_[i].fill(0xaa);
    }
    for (const size_t between : {0u, 28u}) {
      std::array<uint8_t*, 8> ip;
      for (size_t i = 0; i < 8; ++i) ip[i] = packets_[i].data() + 2 + size + between;
      const auto link_of = [&](size_t i) -> const LinkHeader& { return links[i]; };
      between != 0 ? write_links<28>(ip.data(), size, link_of) : write_links<0>(ip.data(), size, link_of);
      for (size_t i = 0; i < 8; ++i) {
        Packet expected;
        expected.fill(0xaa);
        if (between != 0) std::copy_n(packets_[i].begin() + 2 + size, between, expected.begin() + 2 + size);
        std::copy_n(links[i].header.begin(), size, expected.begin() + 2);
        ASSERT_EQ(packets_[i], expected);
      }
    }
  }
}

TEST_F(Eight, GoByTheirPathsIfEachWould) {
  std::vector<KnownPath> places(KnownPaths::kPlaces);
  KnownPaths paths(places);
  unsigned went = 0, answers = 0, apart = 0;
  for (unsigned round = 0; round < 50'000; ++round) {
    std::array<uint32_t, 8> ip_bytes;
    const unsigned oddity = one_of(2) ? 1000 : 60;
    const bool are_answers = one_of(2);
    const uint32_t seen = one_of(2) ? 0 : number();
    for (size_t i = 0; i < 8; ++i) {
      lb::FlowEntry& flow = entries_[i];
      flow.service = one_of(oddity) ? lb::kNoService : one_of(oddity) ? 3 : 2;
      flow.backend = one_of(oddity) ? lb::kNoBackend : 100 + number() % 20;
      flow.last_seen_ms = one_of(2) ? kNow : one_of(oddity) ? number() : kNow - number() % 1000;
      flow.is_settled = !one_of(oddity);
      flow.is_reply = are_answers != one_of(oddity);
      flow.state = static_cast<lb::FlowState>(number() % lb::kFlowStates);
      flow.ended = static_cast<uint8_t>(number());
      ip_bytes[i] = one_of(oddity) ? 40 + number() % 65'000 : 40;
      KnownPath path{.service = flow.service,
                     .backend = flow.backend,
                     .version = kVersion,
                     .idle_timeout_ms = 1000,
                     .counters = nullptr,
                     .rewrite = {}};
      if (one_of(oddity)) path.version += 1;
      if (one_of(oddity)) path.backend += KnownPaths::kPlaces;
      if (one_of(oddity)) path.idle_timeout_ms = number();
      path.rewrite.most_ip_bytes = static_cast<uint16_t>(one_of(oddity) ? number() : 1500);
      path.rewrite.treatment = one_of(oddity) ? Treatment::kKeep : Treatment::kTranslate;
      path.rewrite.stages = one_of(oddity) ? 1 : 0;
      path.rewrite.link.port = one_of(oddity) ? 7 : 1;
      path.rewrite.link.bytes = one_of(oddity) ? 18 : 14;
      path.rewrite.link.header[0] = static_cast<uint8_t>(number());
      paths.keep(path);
    }
    EightPlaces places_of_eight;
    const EightPaths eight(paths, flows_.data(), ip_bytes.data(), kVersion, kNow, seen, places_of_eight);
    bool expected = true, of_one_service = true, by_one_port = true;
    uint32_t later = 0;
    const PathRewrite& first = places_of_eight[0]->rewrite;
    for (size_t i = 0; i < 8; ++i) {
      lb::FlowEntry flow = entries_[i];
      later |= uint32_t{flow.last_seen_ms != kNow} << i;
      const KnownPath* const path = paths.find(flow.service, flow.backend, kVersion);
      const bool was_seen = (seen >> i & 1) != 0;
      expected &= path != nullptr && flow.is_reply == entries_[0].is_reply &&
                  ip_bytes[i] <= path->rewrite.most_ip_bytes &&
                  lb::Balancer::goes_on(flow, kNow, path->idle_timeout_ms, was_seen);
      if (path != nullptr) {
        ASSERT_EQ(places_of_eight[i], path);
      }
      const PathRewrite& rewrite = places_of_eight[i]->rewrite;
      expected &= rewrite.treatment == first.treatment && rewrite.stages == first.stages &&
                  rewrite.link.bytes == first.link.bytes;
      of_one_service &= flow.service == entries_[0].service;
      by_one_port &= rewrite.link.port == first.link.port;
    }
    ASSERT_EQ(eight.may_go, expected) << round;
    ASSERT_EQ(eight.have_one_service, of_one_service) << round;
    ASSERT_EQ(eight.have_one_port, by_one_port) << round;
    ASSERT_EQ(eight.seen_later, later) << round;
    went += expected;
    answers += expected && entries_[0].is_reply;
    apart += expected && !eight.are_together();
  }
  EXPECT_GT(went, 1000u);
  EXPECT_GT(answers, 500u);
  EXPECT_GT(apart, 100u);
}

}  // namespace
}  // namespace sluice::dataplane
