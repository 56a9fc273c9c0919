// A client, a gateway that inspects, and a backend: for tests of what inspection does to packets.
#pragma once

#include <memory>
#include <string_view>
#include <tuple>

#include "dataplane/inspect/inspection.h"
#include "tests/packet/packet_test.h"

namespace sluice::test {

using dataplane::Inspection;
using dataplane::InspectionCounts;
using dataplane::InspectionMode;
using dataplane::InspectionPlan;
using dataplane::InspectionRule;
using dataplane::RuleAction;
using dataplane::Tables;

inline constexpr uint32_t kFirst = 5000;  ///< of the client's bytes
inline constexpr uint32_t kAnswer = 90000;

inline InspectionPlan plan_of(InspectionMode mode, uint32_t bytes = 64, uint32_t streams = 16) {
  InspectionPlan plan{.mode = mode, .bytes = bytes, .streams = streams, .workers = 1};
  plan.rules = {{.id = 11, .pattern = "attack"},
                {.id = 12, .pattern = "probe", .action = RuleAction::kReset},
                {.id = 13, .pattern = "curious", .action = RuleAction::kCount}};
  plan.places = {0, 1, 2};
  plan.counts = InspectionCounts::create(1).value();
  return plan;
}

inline std::shared_ptr<Tables> with_inspection(const ServiceSpec& spec,
                                               std::shared_ptr<Inspection> inspection,
                                               uint64_t generation = 1) {
  auto tables = make_tables({spec});
  tables->generation = generation;
  tables->inspection_generation = generation;
  tables->inspections = std::make_shared<const dataplane::InspectionList>(1, std::move(inspection));
  return tables;
}

/// A client, a gateway that inspects, and a backend, with what a TCP connection between them needs.
class Inspect : public testing::TestWithParam<std::tuple<Family, ForwardMode>> {
 protected:
  const Family& family() const { return std::get<0>(GetParam()); }
  ForwardMode mode() const { return std::get<1>(GetParam()); }
  bool is_nat() const { return lb::is_nat(mode()); }
  ServiceSpec spec(IpProtocol protocol = IpProtocol::kTcp) const {
    return {.address = family().vip,
            .protocol = protocol,
            .forward = mode(),
            .backends = {{.address = family().backend, .port = 8080}}};
  }
  void make(InspectionPlan plan) {
    inspection_ = Inspection::compile(std::move(plan)).value();
    gateway_ = std::make_unique<TestGateway>(with_inspection(spec(), inspection_));
  }
  PacketBuilder segment(uint32_t offset, std::string_view payload, uint8_t flags = 0x18) const {
    return ip(family().client, family().vip)
        .tcp(40000, 80)
        .tcp_flags(flags)
        .sequence(kFirst + offset)
        .acknowledgment(kAnswer + 1)
        .payload(payload);
  }
  void send(const PacketBuilder& packet) { gateway_->receive(kEdge, from_client(packet)); }
  void send(uint32_t offset, std::string_view payload, uint8_t flags = 0x18) {
    send(segment(offset, payload, flags));
  }
  /// The client's SYN, and the backend's answer, where it comes by.
  void open() {
    send(ip(family().client, family().vip).tcp(40000, 80).syn().sequence(kFirst - 1));
    const Frames out = gateway_->sent(kCore);
    ASSERT_EQ(out.size(), 1u);
    nat_port_ = source_port_of(out[0]);
    if (is_nat()) answer(0x12, kFirst);
    gateway_->sent(kEdge);
  }
  void answer(uint8_t flags, uint32_t acknowledgment) {
    const bool is_full = mode() == ForwardMode::kFullNat;
    gateway_->receive(
        kCore, from_backend(family().backend, ip(family().backend, is_full ? family().snat : family().client)
                                                  .tcp(8080, is_full ? nat_port_ : uint16_t{40000})
                                                  .tcp_flags(flags)
                                                  .sequence(flags == 0x12 ? kAnswer : kAnswer + 1)
                                                  .acknowledgment(acknowledgment)));
  }
  size_t passed() { return gateway_->sent(kCore).size(); }
  uint64_t inspected() const { return gateway_->dropped(DropReason::kInspected); }
  InspectionCounts::OfWorker& counts() { return inspection_->counts(0); }
  const lb::FlowEntry& flow() {
    lb::FlowTable& flows = gateway_->worker().balancer.flows();
    for (lb::FlowIndex i = 0; i < flows.capacity(); ++i) {
      if (flows.at(i).state != lb::FlowState::kFree && !flows.at(i).is_reply) return flows.at(i);
    }
    ADD_FAILURE() << "there is no flow";
    return flows.at(0);
  }

  std::shared_ptr<Inspection> inspection_;
  std::unique_ptr<TestGateway> gateway_;
  uint16_t nat_port_ = 0;
};

}  // namespace sluice::test
