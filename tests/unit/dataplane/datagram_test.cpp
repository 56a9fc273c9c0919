#include "dataplane/packet/datagram.h"

#include <gtest/gtest.h>

#include <random>

#include "dataplane/base/free_packets.h"
#include "dataplane/base/packet.h"
#include "tests/support/test_gateway.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::ip;

class Datagram : public testing::Test {
 protected:
  Datagram() : gateway_(test::make_tables({})) {}

  Bytes made(const char* from, const char* to, uint16_t port, const Bytes& payload) {
    rte_mbuf* const packet =
        make_datagram(gateway_.worker().pool, {*IpAddress::parse(from), Be16::from_host(5683)},
                      {*IpAddress::parse(to), Be16::from_host(port)}, payload);
    const auto* const start = rte_pktmbuf_mtod(packet, const uint8_t*);
    const Bytes bytes(start, start + packet->data_len);
    EXPECT_GE(rte_pktmbuf_headroom(packet), kMaxAddedHeaders + 18);
    rte_pktmbuf_free(packet);
    return bytes;
  }

  test::TestGateway gateway_;
};

TEST_F(Datagram, HasTheHeadersAndChecksumsOfItsFamilyWhateverItsSize) {
  std::mt19937 random(1);
  for (size_t size = 0; size <= kMostDatagramBytes; ++size) {
    Bytes payload(size);
    for (uint8_t& byte : payload) byte = static_cast<uint8_t>(random());
    const auto port = static_cast<uint16_t>(random());
    EXPECT_EQ(made("203.0.113.10", "198.51.100.7", port, payload),
              ip("203.0.113.10", "198.51.100.7").ip_id(0).udp(5683, port).payload(payload).bytes())
        << size;
    EXPECT_EQ(made("2001:db8:1::10", "2001:db8:c::7", port, payload),
              ip("2001:db8:1::10", "2001:db8:c::7").udp(5683, port).payload(payload).bytes())
        << size;
  }
}

// RFC 768: a checksum that comes out as zero is sent as its other form.
TEST_F(Datagram, NeverSaysThatItHasNoChecksum) {
  unsigned met = 0;
  for (uint32_t word = 0; word <= UINT16_MAX; ++word) {
    const Bytes payload = {static_cast<uint8_t>(word >> 8), static_cast<uint8_t>(word)};
    const Bytes bytes = made("203.0.113.10", "198.51.100.7", 7, payload);
    ASSERT_FALSE(bytes[26] == 0 && bytes[27] == 0) << word;
    met += bytes[26] == 0xff && bytes[27] == 0xff;
  }
  EXPECT_GT(met, 0u);
}

TEST_F(Datagram, FreeingPacketsGivesEveryBufferBack) {
  rte_mempool* const pool = gateway_.worker().pool;
  const unsigned before = gateway_.buffers_in_use();
  std::vector<rte_mbuf*> packets;
  for (int i = 0; i < 150; ++i) packets.push_back(rte_pktmbuf_alloc(pool));
  rte_mbuf* const tail = rte_pktmbuf_alloc(pool);
  ASSERT_EQ(rte_pktmbuf_chain(packets[20], tail), 0);
  rte_mbuf* const kept = packets[70];
  rte_mbuf_refcnt_update(kept, 1);
  free_packets(packets);
  EXPECT_EQ(gateway_.buffers_in_use(), before + 1);  // somebody still has the one
  free_packets({&kept, 1});
  EXPECT_EQ(gateway_.buffers_in_use(), before);
  for (rte_mbuf*& packet : packets) packet = rte_pktmbuf_alloc(pool);
  for (const rte_mbuf* packet : packets) {
    EXPECT_EQ(packet->next, nullptr);
    EXPECT_EQ(packet->nb_segs, 1);
    EXPECT_EQ(rte_mbuf_refcnt_read(packet), 1);
  }
  free_packets(packets);
}

}  // namespace
}  // namespace sluice::dataplane
