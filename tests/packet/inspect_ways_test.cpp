// Inspection says the same on all ways: one gateway scans on the short way where it can, its twin never,
// because its buffers have no room in front of a frame for a known path. Clients do what they like.
#include <algorithm>
#include <map>
#include <random>
#include <string>

#include "dataplane/forward/path_rewrite.h"
#include "tests/packet/inspect_fixture.h"

namespace sluice::test {
namespace {

constexpr uint16_t kTooShortHeadroom =
    dataplane::OuterHeader::kMostBytes + dataplane::LinkHeader::kMostBytes - 1;
constexpr uint32_t kLookedAt = 48;

using Ports = Bytes;  ///< of a TCP segment: its source and its destination

struct Client {
  uint16_t port;
  uint32_t first = 0;         ///< the number of its first byte
  std::string text = {};      ///< what it has to say
  size_t next = 0;            ///< of that, what it sends next if it does as it should
  uint16_t backend_sees = 0;  ///< its port, behind NAT
};

/// A gateway and what it has made of all that came.
struct Twin {
  explicit Twin(const ServiceSpec& spec, uint16_t headroom)
      : inspection(Inspection::compile(plan()).value()),
        gateway(with_inspection(spec, inspection), {.headroom = headroom}) {}

  static InspectionPlan plan() {
    InspectionPlan made = plan_of(InspectionMode::kStream, kLookedAt, 6);
    made.rules.push_back({.id = 14, .pattern = "k$"});
    made.places.push_back(3);
    return made;
  }
  /// What went to clients or backends by a port, in order for each pair of TCP ports.
  std::map<Ports, Frames> sent(uint8_t port) {
    std::map<Ports, Frames> by_ports;
    for (const Bytes& frame : gateway.sent(port)) {
      const bool is_v4 = frame[14] >> 4 == 4;
      const uint8_t protocol = is_v4 ? frame[14 + 9] : frame[14 + 6];
      const bool is_tunneled = protocol == kProtocolIpip || protocol == kProtocolIpv6;
      const long ip = 14 + (!is_tunneled ? 0 : is_v4 ? 20 : 40);
      const long tcp = ip + (frame[static_cast<size_t>(ip)] >> 4 == 4 ? 20 : 40);
      by_ports[Ports(frame.begin() + tcp, frame.begin() + tcp + 4)].push_back(frame);
    }
    return by_ports;
  }
  std::map<std::string, uint64_t> counted() {
    const InspectionCounts::OfWorker& counts = inspection->counts(0);
    std::map<std::string, uint64_t> all = {
        {"scanned", counts.scanned_bytes.read()},     {"ambiguous", counts.ambiguous.read()},
        {"held dropped", counts.held_dropped.read()}, {"exceeded", counts.streams_exceeded.read()},
        {"streams", counts.open_streams.read()},      {"buffers", gateway.buffers_in_use()},
        {"service", gateway.service_packets(0)}};
    for (size_t i = 0; i < dataplane::kDropReasons; ++i) {
      const auto reason = static_cast<DropReason>(i);
      all[std::string(name_of(reason))] = gateway.dropped(reason);
    }
    for (uint32_t rule = 0; rule < 4; ++rule)
      all["rule " + std::to_string(rule)] = counts.matches[rule].read();
    return all;
  }

  std::shared_ptr<Inspection> inspection;
  TestGateway gateway;
};

class InspectWays : public testing::TestWithParam<std::tuple<Family, ForwardMode>> {
 protected:
  InspectWays() {
    for (uint16_t i = 0; i < 8; ++i) clients_.push_back({.port = static_cast<uint16_t>(40000 + i)});
  }
  const Family& family() const { return std::get<0>(GetParam()); }
  ForwardMode mode() const { return std::get<1>(GetParam()); }
  bool is_nat() const { return lb::is_nat(mode()); }
  ServiceSpec spec() const {
    return {.address = family().vip,
            .forward = mode(),
            .backends = {{.address = family().backend, .port = 8080}}};
  }
  size_t below(size_t bound) { return random_() % bound; }

  void both_get(uint8_t port, const Bytes& frame) {
    short_.gateway.put(port, frame);
    long_.gateway.put(port, frame);
  }
  std::map<Ports, Frames> sent_by_both(uint8_t port) {
    short_.gateway.settle();
    long_.gateway.settle();
    auto one = short_.sent(port), other = long_.sent(port);
    EXPECT_EQ(one, other);
    return one;
  }
  PacketBuilder segment(const Client& client, size_t offset, std::string_view payload, uint8_t flags) const {
    return ip(family().client, family().vip)
        .tcp(client.port, 80)
        .tcp_flags(flags)
        .sequence(client.first + static_cast<uint32_t>(offset))
        .acknowledgment(kAnswer + 1)
        .payload(payload);
  }
  void answer(const Client& client, uint8_t flags, size_t acknowledged) {
    const bool is_full = mode() == ForwardMode::kFullNat;
    both_get(kCore, from_backend(family().backend,
                                 ip(family().backend, is_full ? family().snat : family().client)
                                     .tcp(8080, is_full ? client.backend_sees : client.port)
                                     .tcp_flags(flags)
                                     .sequence(flags == 0x12 ? kAnswer : kAnswer + 1)
                                     .acknowledgment(client.first + static_cast<uint32_t>(acknowledged))));
  }
  /// A connection with something new to say.
  void open(Client& client) {
    client.first = below(2) == 0 ? 0xffffffe0 : static_cast<uint32_t>(random_());
    client.next = 0;
    client.text.clear();
    for (size_t left = 1 + below(80); left > 0; --left) client.text += "acktx "[below(6)];
    if (below(2) == 0) client.text.insert(below(client.text.size()), below(2) == 0 ? "attack" : "probe");
    both_get(
        kEdge,
        from_client(ip(family().client, family().vip).tcp(client.port, 80).syn().sequence(client.first - 1)));
    for (const auto& [ports, frames] : sent_by_both(kCore))
      client.backend_sees = static_cast<uint16_t>(ports[0] << 8 | ports[1]);
    if (is_nat() && below(8) != 0) answer(client, 0x12, 0);
    if (below(8) != 0) both_get(kEdge, from_client(segment(client, 0, "", 0x10)));
    sent_by_both(kCore);
  }
  /// The next bytes, or anything else.
  PacketBuilder any_segment(Client& client) {
    const std::string& text = client.text;
    const bool is_odd = below(5) == 0 || client.next >= text.size();
    const size_t offset = is_odd ? below(text.size()) : client.next;
    std::string payload = text.substr(offset, below(8) == 0 ? 0 : 1 + below(12));
    if (!is_odd) client.next += payload.size();
    if (is_odd && !payload.empty() && below(3) == 0) payload[below(payload.size())] ^= 1;
    if (is_odd && below(4) == 0 && offset > 0) return segment(client, offset - 1, "?", 0x10);  // a keepalive
    uint8_t flags = below(4) == 0 ? 0x18 : 0x10;
    if (is_odd && below(8) == 0) flags |= 0x01;
    PacketBuilder packet = segment(client, offset, payload, flags);
    if (is_odd && below(6) == 0) packet.urgent(1);
    if (is_odd && below(8) == 0) packet.ttl(static_cast<uint8_t>(below(3)));
    return packet;
  }

  std::vector<Client> clients_;
  std::mt19937 random_{51};
  Twin short_{spec(), 128}, long_{spec(), kTooShortHeadroom};
};
INSTANTIATE_TEST_SUITE_P(All, InspectWays,
                         testing::Combine(testing::Values(kIpv4, kIpv6),
                                          testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat,
                                                          ForwardMode::kIpip, ForwardMode::kDirect)));

TEST_P(InspectWays, SayTheSame) {
  for (Client& client : clients_) open(client);
  for (unsigned round = 0; round < 150; ++round) {
    if (round % 4 == 3) open(clients_[below(clients_.size())]);
    for (size_t left = 1 + below(40); left > 0; --left) {
      Client& client = clients_[below(clients_.size())];
      if (is_nat() && below(10) == 0) {
        answer(client, 0x10, below(client.text.size() + 2));
      } else {
        both_get(kEdge, from_client(any_segment(client)));
      }
    }
    sent_by_both(kCore);
    sent_by_both(kEdge);
    ASSERT_EQ(short_.counted(), long_.counted()) << round;
    if (HasFailure()) return;
  }
  auto counted = short_.counted();
  for (const char* const name : {"ambiguous", "held dropped", "exceeded", "inspected", "rule 0", "rule 3"})
    EXPECT_GT(counted[name], 0u) << name;
  EXPECT_GT(counted["scanned"], 500u);
}

}  // namespace
}  // namespace sluice::test
