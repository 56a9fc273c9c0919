// The kernel's security associations, from messages that iproute2 6.1 has made (`ip xfrm state add`): an
// answer to a dump has the same form.
#include "ctrl/tunnel/xfrm_message.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>

#include <algorithm>
#include <cstring>

#include "crypto/encoding.h"

namespace sluice::ctrl {
namespace {

using Bytes = std::vector<uint8_t>;

std::string zeros(size_t bytes) {
  return std::string(2 * bytes, '0');
}

/// src 192.0.2.2 dst 192.0.2.1 spi 0x1001 mode tunnel replay-window 64 flag esn, 128 bits, encap espinudp
/// 4500 4500
Bytes recorded_v4() {
  return *crypto::from_hex("88010000100005000d220b6b" + zeros(60) + "c0000201" + zeros(12) +
                           "0000100132000000c0000202" + zeros(12) + std::string(64, 'f') + zeros(80) +
                           "01000000020001008000000000000000" + "60001200726663343130362867636d286165732929" +
                           zeros(47) +
                           "a000000080000000000102030405060708090a0b0c0d0e0fa1a2a3a4"
                           "1c000400020011941194" +
                           zeros(18) + "1c00170002000000" + zeros(16) + "40000000");
}

/// src 2001:db8::2 dst 2001:db8::1 spi 0x1002 mode tunnel, 256 bits, limit time-hard 3600
Bytes recorded_v6() {
  return *crypto::from_hex(
      "60010000100005000d220b6b" + zeros(60) + "20010db8000000000000000000000001" + "0000100232000000" +
      "20010db8000000000000000000000002" + std::string(64, 'f') + zeros(8) + "100e000000000000" + zeros(64) +
      "000000000a000100000000000000000070001200726663343130362867636d286165732929" + zeros(47) +
      "2001000080000000000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1fa1a2a3a4");
}

template <typename T>
void put(Bytes& bytes, size_t at, T value) {
  std::memcpy(bytes.data() + at, &value, sizeof value);
}

Bytes done() {
  Bytes bytes(20);
  put<uint32_t>(bytes, 0, 20);
  put<uint16_t>(bytes, 4, NLMSG_DONE);
  return bytes;
}

std::vector<KernelAssociation> read(const Bytes& bytes, XfrmDump expected = XfrmDump::kMore) {
  std::vector<KernelAssociation> found;
  EXPECT_EQ(read_xfrm_states(bytes, found), expected);
  return found;
}

TEST(XfrmMessage, RecordedOnesAreWhole) {
  const Bytes v4 = recorded_v4(), v6 = recorded_v6();
  uint32_t length = 0;
  std::memcpy(&length, v4.data(), sizeof length);
  EXPECT_EQ(v4.size(), length);
  std::memcpy(&length, v6.data(), sizeof length);
  EXPECT_EQ(v6.size(), length);
}

TEST(XfrmMessage, SaysWhatAStateIs) {
  const auto v4 = read(recorded_v4());
  ASSERT_EQ(v4.size(), 1u);
  EXPECT_EQ(v4[0].source.to_string(), "192.0.2.2");
  EXPECT_EQ(v4[0].destination.to_string(), "192.0.2.1");
  EXPECT_EQ(v4[0].keys.spi, 0x1001u);
  EXPECT_TRUE(v4[0].is_udp);
  EXPECT_TRUE(v4[0].keys.esn);
  EXPECT_EQ(v4[0].keys.replay_window, 64u);
  EXPECT_EQ(v4[0].keys.key.bytes().size(), 16u);
  EXPECT_EQ(v4[0].keys.key.bytes()[15], 0x0f);
  EXPECT_EQ(v4[0].keys.key.salt().host(), 0xa1a2a3a4u);
  EXPECT_FALSE(v4[0].expires);

  const auto v6 = read(recorded_v6());
  ASSERT_EQ(v6.size(), 1u);
  EXPECT_EQ(v6[0].source.to_string(), "2001:db8::2");
  EXPECT_EQ(v6[0].keys.key.bytes().size(), 32u);
  EXPECT_FALSE(v6[0].is_udp);
  EXPECT_FALSE(v6[0].keys.esn);
  EXPECT_EQ(v6[0].keys.replay_window, 1024u) << "none is said";
  ASSERT_TRUE(v6[0].expires);
  EXPECT_EQ(v6[0].expires->time_since_epoch(), std::chrono::seconds(3600));
}

TEST(XfrmMessage, SeveralComeInADatagramAndAreDoneAtItsEnd) {
  Bytes all = recorded_v4();
  for (const Bytes& next : {recorded_v6(), done()}) all.insert(all.end(), next.begin(), next.end());
  const auto found = read(all, XfrmDump::kDone);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_GT(found[0].added, found[1].added) << "the kernel lists the newest first";
}

TEST(XfrmMessage, PassesOverWhatNoTunnelCanUse) {
  const auto with = [](size_t at, uint8_t value) {
    Bytes bytes = recorded_v4();
    bytes[at] = value;
    return read(bytes);
  };
  EXPECT_TRUE(with(0x5c, 51).empty()) << "AH";
  EXPECT_TRUE(with(0xe6, 0).empty()) << "transport mode";
  EXPECT_TRUE(with(0x5a, 0).empty()) << "an SPI that is reserved";
  EXPECT_TRUE(with(0xf8, 'c').empty()) << "another algorithm";
  EXPECT_TRUE(with(0x138, 96).empty()) << "an ICV of 12 bytes";
  EXPECT_TRUE(with(0x134, 0xc0).empty()) << "a key that is longer than the attribute";
  EXPECT_TRUE(with(0x154, 5).empty()) << "another encapsulation";
}

TEST(XfrmMessage, FailsWhereTheKernelRefusesOrChangesMeanwhile) {
  Bytes refused(36);
  put<uint32_t>(refused, 0, 36);
  put<uint16_t>(refused, 4, NLMSG_ERROR);
  put<int32_t>(refused, 16, -1);
  read(refused, XfrmDump::kFailed);
  Bytes interrupted = recorded_v4();
  put<uint16_t>(interrupted, 6, NLM_F_MULTI | NLM_F_DUMP_INTR);
  read(interrupted, XfrmDump::kFailed);
}

TEST(XfrmMessage, ReadsNoFurtherThanWhatIsThere) {
  for (const Bytes& whole : {recorded_v4(), recorded_v6()}) {
    for (size_t size = 0; size < whole.size(); ++size) {
      const Bytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
      std::vector<KernelAssociation> found;
      EXPECT_NE(read_xfrm_states(cut, found), XfrmDump::kDone);
      EXPECT_TRUE(found.empty());
      Bytes shorter = cut;  // and says so itself
      if (size < sizeof(nlmsghdr)) continue;
      put<uint32_t>(shorter, 0, static_cast<uint32_t>(size));
      read_xfrm_states(shorter, found);
    }
  }
}

}  // namespace
}  // namespace sluice::ctrl
