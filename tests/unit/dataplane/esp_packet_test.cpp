// ESP packets beside OpenSSL, and what their outer headers say.
#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <vector>

#include "dataplane/esp/esp_packet.h"

namespace sluice::dataplane {
namespace {

using Bytes = std::vector<uint8_t>;

struct Ends {
  crypto::AesGcm gcm = std::move(*crypto::AesGcm::create());
  Bytes key = Bytes(16, 0x11);
  Be32 salt = Be32::from_host(0xa1a2a3a4);
  std::atomic<uint64_t> highest = 0;
  std::shared_ptr<SequenceLeases> leases = std::make_shared<SequenceLeases>(1u, 1u, uint64_t{1} << 40);

  OutboundSa out(bool extended) { return {gcm, Be32::from_host(4097), key, salt, extended, leases}; }
  std::unique_ptr<InboundSa> in(bool extended, uint64_t limit = UINT64_MAX) {
    auto numbers = std::make_shared<InboundSequence>();
    numbers->highest = &highest;
    numbers->limit = limit;
    return std::make_unique<InboundSa>(gcm, Be32::from_host(4097), key, salt, extended, 64u, numbers);
  }
};

/// An IP packet with room around it.
struct Packet {
  Packet(bool is_v4, size_t bytes, uint8_t tos = 0) : room(100 + bytes + kMostEspTail), size(bytes) {
    for (size_t i = 0; i < bytes; ++i) at()[i] = static_cast<uint8_t>(i * 7);
    at()[0] = is_v4 ? 0x45 : 0x60;
    if (is_v4) {
      at()[1] = tos;
      at()[6] = 0x40;
    } else {
      at()[0] = static_cast<uint8_t>(0x60 | tos >> 4);
      at()[1] = static_cast<uint8_t>(tos << 4);
    }
  }
  uint8_t* at() { return room.data() + 100; }
  Bytes bytes() { return {at(), at() + size}; }
  Bytes room;
  size_t size;
};

TunnelHeader header(bool is_v4, bool has_udp) {
  const auto address = [&](const char* v4, const char* v6) { return *IpAddress::parse(is_v4 ? v4 : v6); };
  return {address("192.0.2.1", "2001:db8::1"), address("192.0.2.2", "2001:db8::2"), has_udp};
}

/// What OpenSSL finds in ESP with that key; empty: its ICV is wrong.
Bytes opened_by_openssl(const Ends& ends, std::span<const uint8_t> esp, uint64_t number, bool extended) {
  Bytes associated(esp.begin(), esp.begin() + 4);
  for (int shift = extended ? 56 : 24; shift >= 0; shift -= 8) {
    associated.push_back(static_cast<uint8_t>(number >> shift));
  }
  Bytes nonce(12);
  store(nonce.data(), ends.salt);
  std::copy_n(esp.begin() + 8, 8, nonce.begin() + 4);
  Bytes plain(esp.size() - 32);
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                &EVP_CIPHER_CTX_free);
  int size = 0;
  EVP_DecryptInit_ex(context.get(), EVP_aes_128_gcm(), nullptr, ends.key.data(), nonce.data());
  EVP_DecryptUpdate(context.get(), nullptr, &size, associated.data(), static_cast<int>(associated.size()));
  EVP_DecryptUpdate(context.get(), plain.data(), &size, esp.data() + 16, static_cast<int>(plain.size()));
  Bytes icv(esp.end() - 16, esp.end());
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, 16, icv.data());
  return EVP_DecryptFinal_ex(context.get(), plain.data() + size, &size) == 1 ? plain : Bytes{};
}

TEST(EspPacket, IsWhatOpenSslOpens) {
  Ends ends;
  for (const bool extended : {false, true}) {
    const OutboundSa sa = ends.out(extended);
    for (const bool is_v4 : {true, false}) {
      for (size_t size = 40; size < 80; ++size) {
        Packet packet(is_v4, size);
        const Bytes inner = packet.bytes();
        const uint64_t number = (extended ? uint64_t{3} << 32 : 0) + size;
        const auto sealed = seal_packet(ends.gcm, sa, header(true, false), number, packet.at(), packet.size);
        ASSERT_EQ(sealed.size(), 20 + esp_bytes(size));
        const Bytes plain = opened_by_openssl(ends, sealed.subspan(20), number, extended);
        ASSERT_GE(plain.size(), size + 2);
        EXPECT_TRUE(std::equal(inner.begin(), inner.end(), plain.begin()));
        EXPECT_EQ(plain.back(), is_v4 ? 4 : 41);
        EXPECT_EQ(plain.size() % 4, 0u);
        EXPECT_EQ(plain[plain.size() - 2], plain.size() - size - 2);
        for (size_t i = size; i + 2 < plain.size(); ++i) EXPECT_EQ(plain[i], i - size + 1);
      }
    }
  }
}

TEST(EspPacket, IsWhatItWasAfterItWasTakenBack) {
  Ends ends;
  const OutboundSa sa = ends.out(true);
  Packet packet(true, 77);
  const Bytes inner = packet.bytes();
  seal_packet(ends.gcm, sa, header(false, true), 9, packet.at(), packet.size);
  EXPECT_NE(packet.bytes(), inner);
  unseal_packet(ends.gcm, sa, 9, packet.at(), packet.size);
  EXPECT_EQ(packet.bytes(), inner);
}

/// A sealed packet's ESP.
Bytes sealed(Ends& ends, bool extended, uint64_t number, Packet packet = Packet(true, 61)) {
  const auto whole =
      seal_packet(ends.gcm, ends.out(extended), header(true, false), number, packet.at(), packet.size);
  return {whole.begin() + 20, whole.end()};
}

TEST(EspPacket, OpensOnceWhateverTheNumber) {
  for (const bool extended : {false, true}) {
    Ends ends;
    const auto in = ends.in(extended);
    for (const uint64_t number : {uint64_t{1}, uint64_t{70}, uint64_t{7}, uint64_t{0xffffffff}}) {
      Bytes esp = sealed(ends, extended, number);
      Bytes again = esp;
      const OpenedPacket opened = open_packet(ends.gcm, *in, esp);
      ASSERT_EQ(opened.outcome, OpenedPacket::Outcome::kInner) << number;
      EXPECT_TRUE(opened.is_v4);
      EXPECT_EQ(Bytes(opened.inner.begin(), opened.inner.end()), Packet(true, 61).bytes());
      const OpenedPacket repeated = open_packet(ends.gcm, *in, again);
      EXPECT_EQ(repeated.outcome, OpenedPacket::Outcome::kDropped);
      EXPECT_EQ(repeated.drop, TunnelDrop::kReplay);
    }
  }
}

TEST(EspPacket, GoesOnBeyondThirtyTwoBitsWithExtendedNumbersAlone) {
  Ends ends;
  ends.highest = 0xfffffff0;
  const auto in = ends.in(true);
  for (uint64_t number = 0xfffffff5; number < 0x100000020; ++number) {
    Bytes esp = sealed(ends, true, number);
    EXPECT_EQ(open_packet(ends.gcm, *in, esp).outcome, OpenedPacket::Outcome::kInner) << number;
  }
  EXPECT_EQ(ends.highest.load(), 0x10000001fu);
}

TEST(EspPacket, IsRefusedForEveryBitThatDiffers) {
  Ends ends;
  const auto in = ends.in(false);
  const Bytes right = sealed(ends, false, 5);
  for (size_t bit = 32; bit < 8 * right.size(); ++bit) {
    Bytes wrong = right;
    wrong[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
    const OpenedPacket opened = open_packet(ends.gcm, *in, wrong);
    ASSERT_EQ(opened.outcome, OpenedPacket::Outcome::kDropped) << bit;
    EXPECT_TRUE(opened.drop == TunnelDrop::kIcv || opened.drop == TunnelDrop::kReplay) << bit;
  }
  EXPECT_EQ(ends.highest.load(), 0u) << "what is forged moves nothing";
}

TEST(EspPacket, IsMalformedWhereItIsCutOrOdd) {
  Ends ends;
  const auto in = ends.in(false);
  const Bytes right = sealed(ends, false, 5);
  for (size_t size = 0; size < right.size(); ++size) {
    Bytes cut(right.begin(), right.begin() + static_cast<std::ptrdiff_t>(size));
    const OpenedPacket opened = open_packet(ends.gcm, *in, cut);
    ASSERT_EQ(opened.outcome, OpenedPacket::Outcome::kDropped);
    const bool may_be_whole = size >= kLeastEspBytes && size % 4 == right.size() % 4;
    EXPECT_EQ(opened.drop, may_be_whole ? TunnelDrop::kIcv : TunnelDrop::kMalformed) << size;
  }
}

TEST(EspPacket, IsNotRightWhereItIsTooLong) {
  Ends ends;
  const auto in = ends.in(false);
  const Bytes right = sealed(ends, false, 5);
  for (const size_t more : {1u, 2u, 3u, 4u, 16u, 1000u, 9000u}) {
    Bytes longer = right;
    longer.resize(right.size() + more, 0x5a);
    const OpenedPacket opened = open_packet(ends.gcm, *in, longer);
    ASSERT_EQ(opened.outcome, OpenedPacket::Outcome::kDropped);
    EXPECT_EQ(opened.drop, more % 4 == 0 ? TunnelDrop::kIcv : TunnelDrop::kMalformed) << more;
  }
  EXPECT_EQ(ends.highest.load(), 0u);
}

TEST(EspPacket, IsTheSameWhetherSealedAloneOrWithOthers) {
  Ends ends;
  for (const bool extended : {false, true}) {
    const OutboundSa sa = ends.out(extended);
    const uint64_t first = extended ? (uint64_t{2} << 32) - 3 : 9;
    for (const bool has_udp : {false, true}) {
      std::vector<Packet> alone, together;
      for (size_t i = 0; i < 32; ++i) {
        alone.emplace_back(i % 3 != 0, 40 + 31 * i, static_cast<uint8_t>(i));
      }
      together = alone;
      std::vector<SealedPacket> packets;
      for (Packet& packet : together) packets.push_back({packet.at(), packet.size});
      const TunnelHeader outer = header(true, has_udp);
      seal_packets(ends.gcm, sa, TunnelFront(outer, sa.spi, {}), first, packets);
      for (size_t i = 0; i < packets.size(); ++i) {
        const auto one =
            seal_packet(ends.gcm, sa, header(true, has_udp), first + i, alone[i].at(), alone[i].size);
        ASSERT_TRUE(std::ranges::equal(packets[i].sealed, one)) << i;
      }
    }
  }
}

TEST(EspPacket, WaitsForStableStorageToBeAhead) {
  Ends ends;
  const auto in = ends.in(false, 100);
  Bytes within = sealed(ends, false, 100), beyond = sealed(ends, false, 101), again = beyond;
  EXPECT_EQ(open_packet(ends.gcm, *in, within).outcome, OpenedPacket::Outcome::kInner);
  EXPECT_EQ(open_packet(ends.gcm, *in, beyond).drop, TunnelDrop::kReplay);
  EXPECT_EQ(in->sequence->wanted.load(), 101u);
  in->sequence->limit = 200;
  EXPECT_EQ(open_packet(ends.gcm, *in, again).outcome, OpenedPacket::Outcome::kInner);
}

TEST(TunnelHeader, SaysOfTheInnerPacketWhatRfc4301Says) {
  for (const uint8_t tos : {0x00, 0x02, 0x03, 0xb8}) {
    for (const bool dont : {false, true}) {
      Packet packet(true, 40, tos);
      packet.at()[6] = dont ? 0x40 : 0;
      const TunnelHeader header4 = header(true, false);
      TunnelFront(header4, Be32::from_host(4097), {}).write(packet.at(), 36, 0x1'2345'4711);
      const uint8_t* const front = packet.at() - 36;
      const auto& outer = *reinterpret_cast<const Ipv4Header*>(front);
      EXPECT_EQ(outer.tos, tos);
      EXPECT_EQ(outer.dont_fragment(), dont);
      EXPECT_EQ(outer.ttl, 64);
      EXPECT_EQ(outer.protocol, IpProtocol::kEsp);
      EXPECT_EQ(outer.total_length.host(), 56);
      EXPECT_EQ(outer.id.host(), dont ? 0 : 0x4711) << "fragments of two packets are told apart";
      uint32_t sum = 0;
      for (size_t i = 0; i < sizeof outer; i += 2) sum += uint32_t{front[i]} << 8 | front[i + 1];
      EXPECT_EQ((sum & 0xffff) + (sum >> 16), 0xffffu);
    }
    Packet packet(false, 40, tos);
    EXPECT_TRUE(inner_facts(packet.at(), false).dont_fragment) << "over IPv6 nobody fragments on the way";
    EXPECT_EQ(inner_facts(packet.at(), false).traffic_class, tos);
  }
}

TEST(TunnelHeader, TakesCongestionOverAsRfc6040Says) {
  constexpr int kDrop = -1;
  constexpr int kTable[4][4] = {
      // inner: not ECT, ECT(1), ECT(0), CE; by outer
      {0, 0, 0, kDrop},
      {1, 1, 1, 3},
      {2, 1, 2, 3},
      {3, 3, 3, 3},
  };
  for (uint8_t inner = 0; inner < 4; ++inner) {
    for (uint8_t outer = 0; outer < 4; ++outer) {
      const auto after = ecn_after(inner, outer);
      EXPECT_EQ(after ? int{*after} : kDrop, kTable[inner][outer]) << int{inner} << int{outer};
    }
  }
}

TEST(EspFormat, LeavesRoomForTheLargestPacketAndNoMore) {
  for (size_t mtu = 100; mtu < 1600; ++mtu) {
    for (const size_t outer : {20, 28, 40, 48}) {
      const size_t most = most_inner_bytes(mtu, outer);
      EXPECT_LE(outer + esp_bytes(most), mtu);
      EXPECT_GT(outer + esp_bytes(most + 1), mtu);
    }
  }
}

}  // namespace
}  // namespace sluice::dataplane
