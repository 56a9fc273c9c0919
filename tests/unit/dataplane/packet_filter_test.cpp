#include "dataplane/tables/packet_filter.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <random>
#include <string>
#include <vector>

#include "dataplane/tables/plain_filter.h"

namespace sluice::dataplane {
namespace {

/// libpcap's own word on one frame at a time.
class Oracle {
 public:
  explicit Oracle(const std::string& expression) : handle_(pcap_open_dead(DLT_EN10MB, 1 << 18)) {
    EXPECT_EQ(pcap_compile(handle_, &program_, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN), 0);
  }
  ~Oracle() {
    pcap_freecode(&program_);
    pcap_close(handle_);
  }
  Oracle(const Oracle&) = delete;
  bool matches(const std::vector<uint8_t>& frame) const {
    const auto size = static_cast<uint32_t>(frame.size());
    return bpf_filter(program_.bf_insns, frame.data(), size, size) != 0;
  }
  std::span<const bpf_insn> program() const { return {program_.bf_insns, program_.bf_len}; }

 private:
  pcap_t* handle_;
  bpf_program program_{};
};

/// Bytes that look like frames often enough for filters to go both ways.
std::vector<uint8_t> any_frame(std::mt19937& random) {
  std::vector<uint8_t> frame((random() % 50 == 0 ? 20 : 60) + random() % 60);
  const bool is_noisy = random() % 2 == 0;
  for (uint8_t& byte : frame) byte = is_noisy && random() % 4 == 0 ? static_cast<uint8_t>(random()) : 0;
  const auto set = [&](size_t at, unsigned value) {
    if (at < frame.size()) frame[at] = static_cast<uint8_t>(value);
  };
  const bool is_v6 = random() % 3 == 0, is_tagged = random() % 5 == 0;
  set(12, is_tagged ? 0x81 : is_v6 ? 0x86 : 0x08);
  set(13, is_v6 && !is_tagged ? 0xdd : 0);
  set(14, is_v6 ? 0x60 : 0x45);
  for (const size_t protocol : {20, 23}) set(protocol, random() % 2 == 0 ? 6 : 17);
  set((is_v6 ? 54 : 34) + random() % 4, random() % 2 == 0 ? 80 : 9);
  set((is_v6 ? 22 : 26) + random() % 8, random() % 2 == 0 ? 9 : 10);
  if (random() % 4 == 0) set(20, random());  // a fragment
  if (random() % 8 == 0) set(14, random());  // options
  return frame;
}

/// May leave open whether a frame matches, and must not be wrong.
TEST(PacketFilter, ForgetsNoFrameInLanes) {
  std::mt19937 random(7);
  for (const char* const text :
       {"tcp port 9",
        "host 9.9.9.9",
        "udp",
        "ip6",
        "icmp or arp",
        "tcp[tcpflags] & tcp-syn != 0",
        "len > 60",
        "ip[8] < 5 and not port 80",
        "ip6 and tcp port 80",
        "vlan 7 and tcp",
        "",
        "net 10.0.0.0/8 or portrange 20-80",
        "port 9",
        "src net 9.9.0.0/16 and dst port 80",
        "ip6 host 909::",
        "ip6 and dst port 80",
        "not port 80",
        "ip[6:2] & 0x1fff != 0 and udp",
        "ip multicast",
        "tcp and (port 9 or port 80 or port 443 or port 22 or port 25 or port 53 or port 110)",
        "ether[0] & 1 = 0 and (ip[0:4] ^ 17) > 7",
        "ip[2:2] - 20 > len * 2",
        "ether proto 0x88cc",
        "(ip[0] & 0xf) << 2 = 20 and ip[9] >> 1 = 3"}) {
    const auto filter = PacketFilter::compile(text);
    ASSERT_TRUE(filter) << text << ": " << filter.error().message;
    const Oracle oracle(text);
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
        const bool matches = oracle.matches(frames[i]);
        ASSERT_EQ(filter->matches(frames[i], lanes.lengths[i]), matches) << text;
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

TEST(PlainFilter, RulesOutUsualFramesByTheirFront) {
  using Verdict = PlainFilter::Verdict;
  std::vector<uint8_t> v4(60), v6(62);
  v4[12] = 0x08, v4[14] = 0x45, v4[23] = 6, v4[35] = 80, v4[37] = 22;
  v6[12] = 0x86, v6[13] = 0xdd, v6[14] = 0x60, v6[20] = 17, v6[55] = 80, v6[57] = 53;
  std::vector<uint8_t> with_options = v4;
  with_options[14] = 0x46;
  const auto look = [](const char* text, const std::vector<uint8_t>& frame, bool is_long = true) {
    return PlainFilter(Oracle(text).program()).look(frame.data(), is_long);
  };
  EXPECT_EQ(look("tcp port 9", v4), Verdict::kNo);
  EXPECT_EQ(look("tcp port 22", v4), Verdict::kMaybe);
  EXPECT_EQ(look("port 53", v4), Verdict::kNo);
  EXPECT_EQ(look("ip6", v4), Verdict::kNo);
  EXPECT_EQ(look("tcp port 9", with_options), Verdict::kUnlooked);
  EXPECT_EQ(look("tcp port 9", v6), Verdict::kNo);
  EXPECT_EQ(look("port 53", v6), Verdict::kMaybe);
  EXPECT_EQ(look("port 54", v6), Verdict::kNo);
  EXPECT_EQ(look("port 54", v6, false), Verdict::kUnlooked) << "its ports are not there";
  EXPECT_EQ(look("not port 53", v4), Verdict::kUnlooked) << "a mask cannot say what is not";
  EXPECT_EQ(look("portrange 20-30", v4), Verdict::kMaybe);
}

TEST(PacketFilter, SaysWhatIsWrong) {
  EXPECT_FALSE(PacketFilter::compile("tcp prot 80"));
  EXPECT_FALSE(PacketFilter::compile(std::string(5000, ' ')));
  EXPECT_TRUE(PacketFilter::compile("vlan 7 and ip6"));
}

}  // namespace
}  // namespace sluice::dataplane
