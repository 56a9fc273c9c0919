// Captures see every packet that they want, on whichever way it goes.
#include <algorithm>
#include <map>
#include <random>

#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

using dataplane::Capture;
using dataplane::CaptureNote;
using dataplane::CapturePoint;
using dataplane::Captures;
using dataplane::CaptureWish;

struct Seen {
  CaptureNote note;
  Bytes bytes;
};

/// Captures of a gateway, for as long as this lives.
class Watching {
 public:
  explicit Watching(TestGateway& gateway) : gateway_(gateway) {}
  ~Watching() { gateway_.capture(nullptr); }

  /// Returns its place.
  size_t add(CaptureWish wish) {
    captures_.running.push_back(std::make_shared<const Capture>(std::move(wish), gateway_.workers()));
    gateway_.capture(&captures_);
    return captures_.running.size() - 1;
  }
  const Capture& operator[](size_t place) const { return *captures_.running[place]; }
  std::vector<Seen> seen(size_t place) const {
    std::vector<Seen> all;
    captures_.running[place]->drain([&](const CaptureNote& note, uint64_t, auto bytes) {
      all.push_back({note, Bytes(bytes.begin(), bytes.end())});
      return true;
    });
    return all;
  }

 private:
  TestGateway& gateway_;
  Captures captures_;
};

Frames frames_of(const std::vector<Seen>& seen) {
  Frames frames;
  for (const Seen& one : seen) frames.push_back(one.bytes);
  std::ranges::sort(frames);
  return frames;
}
Frames sorted(Frames frames) {
  std::ranges::sort(frames);
  return frames;
}

class CaptureOnAWay : public testing::TestWithParam<std::tuple<Family, ForwardMode, Way>> {
 protected:
  const Family& family() const { return std::get<0>(GetParam()); }
  ForwardMode mode() const { return std::get<1>(GetParam()); }
  bool is_nat() const { return mode() == ForwardMode::kFullNat || mode() == ForwardMode::kDnat; }

  /// Services 0 and 1, on two ports of one address, with a backend each.
  std::shared_ptr<dataplane::Tables> tables() const {
    std::vector<ServiceSpec> specs;
    for (const uint16_t port : {80, 81}) {
      specs.push_back({.address = family().vip,
                       .first_port = port,
                       .last_port = port,
                       .forward = mode(),
                       .backends = {{.address = port == 80 ? family().backend : family().backend2}}});
    }
    return make_tables(specs);
  }
  Bytes request(uint16_t client_port, uint16_t port, size_t payload) const {
    return from_client(ip(family().client, family().vip).tcp(client_port, port).payload_bytes(payload));
  }
};
INSTANTIATE_TEST_SUITE_P(All, CaptureOnAWay,
                         testing::Combine(testing::Values(kIpv4, kIpv6),
                                          testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat,
                                                          ForwardMode::kIpip, ForwardMode::kGue,
                                                          ForwardMode::kDirect),
                                          testing::Values(Way::kLong, Way::kParsed, Way::kPlain)));

TEST_P(CaptureOnAWay, SeesEveryPacketOfItsServiceAndNoOther) {
  TestGateway gateway(tables(), shape_for(std::get<2>(GetParam())));
  Watching watching(gateway);
  const size_t received = watching.add({.at = CapturePoint::kReceived, .service = 0});
  const size_t sent = watching.add({.at = CapturePoint::kSent, .port = kCore, .service = 0});
  const size_t all_received = watching.add({.at = CapturePoint::kReceived, .port = kEdge});
  const size_t all_sent = watching.add({.at = CapturePoint::kSent});
  Frames requests, others;
  for (unsigned round = 0; round < 20; ++round) {
    for (uint16_t flow = 0; flow < 5; ++flow) {
      requests.push_back(request(static_cast<uint16_t>(40000 + flow), 80, round));
      others.push_back(request(static_cast<uint16_t>(40000 + flow), 81, round));
      gateway.put(kEdge, requests.back());
      gateway.put(kEdge, others.back());
    }
    gateway.settle();
  }
  const uint64_t packets = gateway.service_packets(0);
  EXPECT_EQ(packets, 100u);
  EXPECT_EQ(frames_of(watching.seen(received)), sorted(requests));
  const auto out = watching.seen(sent);
  EXPECT_EQ(out.size(), packets);
  for (const Seen& one : out) {
    EXPECT_EQ(one.note.service, 0u);
    EXPECT_EQ(one.note.backend, 0u);
    EXPECT_EQ(one.note.port, kCore);
    EXPECT_EQ(one.note.length, one.bytes.size());
  }
  Frames everything = requests;
  everything.insert(everything.end(), others.begin(), others.end());
  EXPECT_EQ(frames_of(watching.seen(all_received)), sorted(everything));
  const Frames left = sorted(gateway.sent(kCore));
  EXPECT_EQ(frames_of(watching.seen(all_sent)), left);
  for (const Seen& one : out) EXPECT_TRUE(std::ranges::binary_search(left, one.bytes));
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(watching[i].lost(), 0u);
}

TEST_P(CaptureOnAWay, SeesAnswersToo) {
  if (!is_nat()) return;
  TestGateway gateway(tables(), shape_for(std::get<2>(GetParam())));
  Watching watching(gateway);
  const size_t received = watching.add({.at = CapturePoint::kReceived, .port = kCore, .service = 0});
  const size_t sent = watching.add({.at = CapturePoint::kSent, .port = kEdge, .service = 0});
  Frames answers;
  for (unsigned round = 0; round < 5; ++round) {
    gateway.receive(kEdge, request(40000, 80, round));
    const uint16_t port = source_port_of(gateway.sent(kCore).at(0));
    const char* const client = mode() == ForwardMode::kFullNat ? family().snat : family().client;
    answers.push_back(
        from_backend(family().backend, ip(family().backend, client).tcp(80, port).payload_bytes(round)));
    gateway.receive(kCore, answers.back());
  }
  EXPECT_EQ(frames_of(watching.seen(received)), sorted(answers));
  EXPECT_EQ(frames_of(watching.seen(sent)), sorted(gateway.sent(kEdge)));
}

TEST_P(CaptureOnAWay, BeginsAndEndsWhileFlowsAreKnown) {
  TestGateway gateway(tables(), shape_for(std::get<2>(GetParam())));
  for (unsigned i = 0; i < 3; ++i) gateway.receive(kEdge, request(40000, 80, i));
  {
    Watching watching(gateway);
    const size_t sent = watching.add({.at = CapturePoint::kSent, .service = 0});
    for (unsigned i = 0; i < 3; ++i) gateway.receive(kEdge, request(40000, 80, i));
    EXPECT_EQ(watching.seen(sent).size(), 3u);
  }
  for (unsigned i = 0; i < 3; ++i) gateway.receive(kEdge, request(40000, 80, i));
  EXPECT_EQ(gateway.sent(kCore).size(), 9u);
}

class CaptureOfDrops : public FamilyTest {};
INSTANTIATE_FOR_FAMILIES(CaptureOfDrops);

TEST_P(CaptureOfDrops, HasWhatTheCountersCount) {
  auto tables = make_tables({service(ForwardMode::kDnat), {.address = family().vip2, .backends = {}}});
  tables->ports[kCore].mtu = 1300;
  TestGateway gateway(tables);
  Watching watching(gateway);
  const size_t all = watching.add({.at = CapturePoint::kDropped});
  const size_t no_backend = watching.add({.at = CapturePoint::kDropped, .reason = DropReason::kNoBackend});
  const size_t of_service = watching.add({.at = CapturePoint::kDropped, .service = 0});
  std::mt19937 random(5);
  Frames bad;
  for (unsigned i = 0; i < 400; ++i) {
    PacketBuilder packet = request(static_cast<uint16_t>(40000 + random() % 4));
    switch (random() % 9) {
      case 0:
        packet.ttl(1);
        break;
      case 1:
        packet.l4_checksum(1);
        break;
      case 2:
        packet.payload_bytes(1390);
        break;
      case 3:
        packet.destination(family().vip2);
        break;
      case 4:
        packet.version(9);
        break;
      case 5:
        packet.source(family().vip);
        break;
      case 6:
        packet.ports(40000, 9);
        break;
      default:
        break;
    }
    const bool strays = random() % 16 == 0;
    gateway.put(kEdge, strays ? ethernet({kRouterMac, "02:00:00:00:77:77"}, packet) : from_client(packet));
    if (i % 30 == 29) gateway.settle();
  }
  gateway.settle();
  std::map<DropReason, uint64_t> counts;
  for (const Seen& one : watching.seen(all)) {
    ++counts[one.note.reason];
    EXPECT_EQ(one.note.port, kEdge);
    ASSERT_GE(one.bytes.size(), 14u + family().header);
    const bool strayed = one.bytes[4] == 0x77;
    EXPECT_EQ(Bytes(one.bytes.begin(), one.bytes.begin() + 6),
              mac_bytes(strayed ? "02:00:00:00:77:77" : kEdgeMac));
  }
  EXPECT_GE(counts.size(), 6u);
  for (size_t i = 0; i < dataplane::kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    EXPECT_EQ(counts[reason], gateway.dropped(reason)) << name_of(reason);
  }
  EXPECT_EQ(watching.seen(no_backend).size(), gateway.dropped(DropReason::kNoBackend));
  const auto services = watching.seen(of_service);
  EXPECT_EQ(services.size(), gateway.dropped(DropReason::kTtlExpired) + gateway.dropped(DropReason::kTooBig));
}

TEST_P(CaptureOfDrops, HasAnEthernetHeaderWhereThePacketHasLostIt) {
  TestGateway gateway(make_tables({{.address = family().vip,
                                    .forward = ForwardMode::kIpip,
                                    .backends = {{.address = v4() ? "10.20.0.99" : "fd20::99"}}}}));
  Watching watching(gateway);
  const size_t drops = watching.add({.at = CapturePoint::kDropped});
  gateway.receive(kEdge, from_client(request()));
  gateway.worker().neighbors.give_up();
  const auto seen = watching.seen(drops);
  ASSERT_EQ(seen.size(), 1u);
  EXPECT_EQ(seen[0].note.reason, DropReason::kNeighborUnresolved);
  EXPECT_EQ(Bytes(seen[0].bytes.begin(), seen[0].bytes.begin() + 14),
            v4() ? (Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x08, 0x00})
                 : (Bytes{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x86, 0xdd}));
  EXPECT_EQ(seen[0].bytes[14] >> 4, v4() ? 4 : 6);
}

class CaptureLimits : public FamilyTest {};
INSTANTIATE_FOR_FAMILIES(CaptureLimits);

TEST_P(CaptureLimits, CopiesAsMuchAsIsAskedForAndFilters) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}));
  Watching watching(gateway);
  auto filter = dataplane::PacketFilter::compile("tcp dst port 80 and src port 40001");
  ASSERT_TRUE(filter);
  const size_t one =
      watching.add({.at = CapturePoint::kReceived, .filter = std::move(*filter), .snaplen = 60});
  for (unsigned i = 0; i < 4; ++i) {
    gateway.receive(kEdge, from_client(request(40000).payload_bytes(500)));
    gateway.receive(kEdge, from_client(request(40001).payload_bytes(500)));
  }
  const auto seen = watching.seen(one);
  ASSERT_EQ(seen.size(), 4u);
  EXPECT_EQ(seen[0].bytes.size(), 60u);
  EXPECT_EQ(seen[0].note.length, 14 + family().header + 20 + 500);
  EXPECT_EQ(source_port_of(seen[0].bytes), 40001);
}

TEST_P(CaptureLimits, LoseCopiesAndNeverPackets) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}));
  Watching watching(gateway);
  const size_t one = watching.add({.at = CapturePoint::kReceived});
  constexpr unsigned kPackets = 2000;  // 1,400 bytes each, for a ring of a mebibyte
  for (unsigned i = 0; i < kPackets; ++i) {
    gateway.receive(kEdge, from_client(request().payload_bytes(1350)));
    gateway.sent(kCore);
  }
  EXPECT_EQ(gateway.backend(0).packets.read(), kPackets);
  EXPECT_EQ(gateway.dropped(), 0u);
  const size_t seen = watching.seen(one).size();
  EXPECT_GT(seen, 600u);
  EXPECT_EQ(seen + watching[one].lost(), kPackets);
  gateway.receive(kEdge, from_client(request()));
  EXPECT_EQ(watching.seen(one).size(), 1u) << "there is room again";
}

}  // namespace
}  // namespace sluice::test
