// Records of flows have every packet, on whichever way it went, and every flow once.
#include <map>

#include "dataplane/stages/account.h"
#include "tests/packet/packet_test.h"

namespace sluice::test {
namespace {

using lb::FlowEnd;
using lb::FlowRecord;

/// Records of a gateway's flows, of all of them.
class Reading {
 public:
  Reading(TestGateway& gateway, std::shared_ptr<dataplane::Tables> tables)
      : gateway_(gateway), lanes_(std::make_shared<dataplane::FlowLanes>(gateway.workers())) {
    tables->flow_reading = std::make_shared<const dataplane::FlowReading>(
        dataplane::FlowReading{lanes_, {lb::FlowShare::of(1)}});
    gateway.publish(std::move(tables));
  }
  std::vector<FlowRecord> records() {
    std::vector<FlowRecord> all;
    for (unsigned i = 0; i < lanes_->size(); ++i) {
      for (FlowRecord record; lanes_->of(i).ring.pop({&record, 1}) == 1;) all.push_back(record);
    }
    return all;
  }
  /// Has the gateway's end end all flows.
  std::vector<FlowRecord> last_records() {
    for (unsigned i = 0; i < gateway_.workers(); ++i) dataplane::tell_last_flows(gateway_.worker(i));
    return records();
  }

 private:
  TestGateway& gateway_;
  std::shared_ptr<dataplane::FlowLanes> lanes_;
};

class RecordOnAWay : public testing::TestWithParam<std::tuple<Family, ForwardMode, Way>> {
 protected:
  const Family& family() const { return std::get<0>(GetParam()); }
  ForwardMode mode() const { return std::get<1>(GetParam()); }
  bool is_nat() const { return lb::is_nat(mode()); }
  const char* client_that_backend_sees() const {
    return mode() == ForwardMode::kFullNat ? family().snat : family().client;
  }
  std::shared_ptr<dataplane::Tables> tables() const {
    return make_tables(
        {{.address = family().vip, .forward = mode(), .backends = {{.address = family().backend}}}});
  }
  PacketBuilder request(uint16_t client_port, size_t payload) const {
    return ip(family().client, family().vip).tcp(client_port, 80).payload_bytes(payload);
  }
};
INSTANTIATE_TEST_SUITE_P(All, RecordOnAWay,
                         testing::Combine(testing::Values(kIpv4, kIpv6),
                                          testing::Values(ForwardMode::kFullNat, ForwardMode::kDnat,
                                                          ForwardMode::kIpip, ForwardMode::kGue,
                                                          ForwardMode::kDirect),
                                          testing::Values(Way::kLong, Way::kParsed, Way::kPlain)));

TEST_P(RecordOnAWay, HasEveryPacketOfItsFlow) {
  TestGateway gateway(tables(), shape_for(std::get<2>(GetParam())));
  Reading reading(gateway, tables());
  std::map<uint16_t, lb::FlowCounts> expected;
  for (unsigned round = 0; round < 20; ++round) {
    for (uint16_t port = 40000; port < 40005; ++port) {
      const Bytes frame = from_client(request(port, round * 10 + port % 7));
      gateway.receive(kEdge, frame);
      lb::FlowCounts& counts = expected[port];
      ++counts.packets_in;
      counts.bytes_in += frame.size();
      const auto sent = gateway.sent(kCore);
      ASSERT_EQ(sent.size(), 1u);
      if (!is_nat()) continue;
      const Bytes answer = from_backend(family().backend, ip(family().backend, client_that_backend_sees())
                                                              .tcp(80, source_port_of(sent[0]))
                                                              .payload_bytes(round));
      gateway.receive(kCore, answer);
      EXPECT_EQ(gateway.sent(kEdge).size(), 1u);
      ++counts.packets_out;
      counts.bytes_out += answer.size();
    }
  }
  const auto records = reading.last_records();
  EXPECT_EQ(records.size(), expected.size());
  for (const FlowRecord& record : records) {
    const lb::FlowCounts& counts = expected.at(record.key.source_port.host());
    EXPECT_EQ(record.counts.packets_in, counts.packets_in);
    EXPECT_EQ(record.counts.bytes_in, counts.bytes_in);
    EXPECT_EQ(record.counts.packets_out, counts.packets_out);
    EXPECT_EQ(record.counts.bytes_out, counts.bytes_out);
    EXPECT_EQ(record.key.destination, *IpAddress::parse(family().vip));
    EXPECT_EQ(record.end, FlowEnd::kShutdown);
  }
}

TEST_P(RecordOnAWay, BeginsAndEndsWhileFlowsAreKnown) {
  TestGateway gateway(tables(), shape_for(std::get<2>(GetParam())));
  const auto send = [&] {
    for (unsigned i = 0; i < 4; ++i) gateway.receive(kEdge, from_client(request(40000, 10)));
  };
  send();
  std::vector<FlowRecord> records;
  {
    Reading reading(gateway, tables());
    send();
    records = reading.last_records();
  }
  gateway.publish(tables());
  send();
  EXPECT_EQ(gateway.sent(kCore).size(), 12u);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].counts.packets_in, 4u);
}

class RecordOfAFamily : public FamilyTest {};
INSTANTIATE_FOR_FAMILIES(RecordOfAFamily);

TEST_P(RecordOfAFamily, DoesNotCountIcmpErrors) {
  TestGateway gateway(make_tables({service(ForwardMode::kDnat)}));
  Reading reading(gateway, make_tables({service(ForwardMode::kDnat)}));
  gateway.receive(kEdge, from_client(request(40000)));
  ASSERT_EQ(gateway.sent(kCore).size(), 1u);
  const PacketBuilder quoted = ip(family().client, family().backend).tcp(40000, 8080);
  PacketBuilder error = ip(family().backend, family().client);
  v4() ? error.icmp(3, 1, 0).payload(quoted) : error.icmp(1, 3, 0).payload(quoted);
  gateway.receive(kCore, from_backend(family().backend, error));
  EXPECT_EQ(gateway.sent(kEdge).size(), 1u);
  const auto records = reading.last_records();
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].counts.packets_in, 1u);
  EXPECT_EQ(records[0].counts.packets_out, 0u);
}

TEST_P(RecordOfAFamily, ComesFromWhicheverWorkerHasTheFlow) {
  const GatewayShape shape{.rx_workers = 3};
  TestGateway gateway(make_tables({service(ForwardMode::kFullNat)}), shape);
  Reading reading(gateway, make_tables({service(ForwardMode::kFullNat)}));
  constexpr uint16_t kFlows = 60;
  for (uint16_t i = 0; i < kFlows; ++i)
    gateway.receive(kEdge, from_client(request(static_cast<uint16_t>(40000 + i))), i % 3);
  std::map<uint16_t, unsigned> told;
  for (const FlowRecord& record : reading.last_records()) ++told[record.key.source_port.host()];
  EXPECT_EQ(told.size(), kFlows);
  for (const auto& [port, times] : told) EXPECT_EQ(times, 1u) << port;
}

}  // namespace
}  // namespace sluice::test
