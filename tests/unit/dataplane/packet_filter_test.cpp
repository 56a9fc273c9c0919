#include "dataplane/tables/packet_filter.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace sluice::dataplane {
namespace {

/// Bytes that look like frames often enough for filters to go both ways.
std::vector<uint8_t> any_frame(std::mt19937& random) {
  std::vector<uint8_t> frame((random() % 50 == 0 ? 20 : 60) + random() % 60);
  for (uint8_t& byte : frame) byte = random() % 4 == 0 ? static_cast<uint8_t>(random()) : 0;
  const auto set = [&](size_t at, unsigned value) {
    if (at < frame.size()) frame[at] = static_cast<uint8_t>(value);
  };
  const bool is_v6 = random() % 3 == 0, is_tagged = random() % 5 == 0;
  set(12, is_tagged ? 0x81 : is_v6 ? 0x86 : 0x08);
  set(13, is_v6 && !is_tagged ? 0xdd : 0);
  set(14, is_v6 ? 0x60 : 0x45);
  for (const size_t protocol : {20, 23}) set(protocol, random() % 2 == 0 ? 6 : 17);
  set(34 + random() % 4, random() % 2 == 0 ? 80 : 9);
  return frame;
}

/// bpf_filter() judges one frame at a time, and has the last word.
TEST(PacketFilter, ForgetsNoFrameInLanes) {
  std::mt19937 random(7);
  for (const char* const text :
       {"tcp port 9", "host 9.9.9.9", "udp", "ip6", "icmp or arp", "tcp[tcpflags] & tcp-syn != 0", "len > 60",
        "ip[8] < 5 and not port 80", "ip6 and tcp port 80", "vlan 7 and tcp", "",
        "net 10.0.0.0/8 or portrange 20-80", "ether[0] & 1 = 0 and (ip[0:4] ^ 17) > 7",
        "ip[2:2] - 20 > len * 2", "ether proto 0x88cc", "(ip[0] & 0xf) << 2 = 20 and ip[9] >> 1 = 3"}) {
    const auto filter = PacketFilter::compile(text);
    ASSERT_TRUE(filter) << text << ": " << filter.error().message;
    unsigned ruled_out = 0, asked = 0;
    for (unsigned round = 0; round < 2000; ++round) {
      std::vector<std::vector<uint8_t>> frames;
      FilterLanes lanes;
      lanes.shortest = SIZE_MAX;
      for (size_t i = 0; i < FilterLanes::kLanes; ++i) frames.push_back(any_frame(random));
      for (size_t i = 0; i < FilterLanes::kLanes; ++i) {
        lanes.frames[i] = frames[i].data();
        lanes.lengths[i] = static_cast<uint32_t>(frames[i].size());
        lanes.shortest = std::min(lanes.shortest, frames[i].size());
      }
      const uint32_t may = filter->may_match(lanes);
      for (size_t i = 0; i < FilterLanes::kLanes; ++i) {
        const bool matches = filter->matches(frames[i], lanes.lengths[i]);
        if (matches) {
          ASSERT_NE(may >> i & 1, 0u) << text;
        }
        asked += matches ? 0 : 1;
        ruled_out += (may >> i & 1) == 0 ? 1 : 0;
      }
    }
    if (asked > 0) {
      EXPECT_GT(ruled_out, 0u) << text << " " << asked;
    }
  }
}

TEST(PacketFilter, SaysWhatIsWrong) {
  EXPECT_FALSE(PacketFilter::compile("tcp prot 80"));
  EXPECT_FALSE(PacketFilter::compile(std::string(5000, ' ')));
  EXPECT_TRUE(PacketFilter::compile("vlan 7 and ip6"));
}

}  // namespace
}  // namespace sluice::dataplane
