// A port of full-nat that its backend had less than a minute ago is taken again only when all others have
// been, and then the backend is told that the former connection is over.
#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

constexpr unsigned kPorts = 64'512;

class PortReuse : public FamilyTest {
 protected:
  size_t l4() const { return 14 + family().header; }
  uint32_t sequence_of(const Bytes& frame) const {
    uint32_t value = 0;
    for (size_t i = 0; i < 4; ++i) value = value << 8 | frame[l4() + 4 + i];
    return value;
  }
  uint8_t flags_of(const Bytes& frame) const { return frame[l4() + 13]; }

  PacketBuilder client(unsigned number) const {
    return ip(number < 50'000 ? family().client : family().client2, family().vip)
        .tcp(static_cast<uint16_t>(1024 + number % 50'000), 80);
  }
  Bytes backend(uint16_t to, uint8_t flags) const {
    return from_backend(family().backend, ip(family().backend, family().snat).tcp(8080, to).tcp_flags(flags));
  }
  /// A connection that the backend closes first, then the client. Returns its port towards the backend.
  uint16_t connect_and_close(TestGateway& gateway, unsigned number) const {
    gateway.put(kEdge, from_client(client(number).syn()));
    gateway.poll();
    const Frames out = gateway.sent(kCore);
    if (out.size() != 1) return 0;
    const uint16_t port = source_port_of(out[0]);
    gateway.receive(kCore, backend(port, 0x12));
    gateway.receive(kEdge, from_client(client(number).ack()));
    gateway.receive(kCore, backend(port, 0x11));
    gateway.receive(kEdge, from_client(client(number).fin().payload("bye")));
    gateway.sent(kEdge);
    return port;
  }
};
INSTANTIATE_FOR_FAMILIES(PortReuse);

TEST_P(PortReuse, TheBackendIsToldThatTheFormerConnectionIsOver) {
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}), {.flow_table_entries = 1u << 18});
  const uint16_t first = connect_and_close(gateway, 0);
  const Frames last_words = gateway.sent(kCore);
  ASSERT_FALSE(last_words.empty());
  const uint32_t expected = sequence_of(last_words.back()) + 3 + 1;  // "bye", and the FIN
  for (unsigned number = 1; number < kPorts; ++number) {
    ASSERT_NE(connect_and_close(gateway, number), first) << "before its turn";
    gateway.sent(kCore);
  }
  EXPECT_EQ(gateway.worker().balancer.ports_reused(), 0u);

  gateway.receive(kEdge, from_client(client(kPorts).syn()));
  const Frames out = gateway.sent(kCore);
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(gateway.worker().balancer.ports_reused(), 1u);
  const std::string snat = family().snat;
  Bytes reset = out[0];
  EXPECT_EQ(source_port_of(reset), first);
  EXPECT_EQ(flags_of(reset), 0x04);
  EXPECT_EQ(sequence_of(reset), expected);
  EXPECT_EQ(reset.size(), l4() + 20);
  // The kernel's own eyes: every checksum sums up to nothing over what is covered.
  Bytes covered = address_bytes(snat);
  append(covered, address_bytes(family().backend));
  append16(covered, 6);
  append16(covered, 20);
  covered.insert(covered.end(), reset.begin() + static_cast<std::ptrdiff_t>(l4()), reset.end());
  EXPECT_EQ(naive_checksum(covered), 0);
  if (v4()) {
    EXPECT_EQ(naive_checksum(Bytes(reset.begin() + 14, reset.begin() + 34)), 0);
  }
  EXPECT_EQ(source_port_of(out[1]), first);
  EXPECT_EQ(flags_of(out[1]), 0x02);
  expect_counters_to_add_up(gateway);
}

}  // namespace
}  // namespace sluice::test
