#include "perf/inspection_traffic.h"

#include <algorithm>
#include <random>
#include <string>

#include "tests/support/test_tables.h"

namespace sluice::perf {
namespace {

constexpr uint32_t kFirstAnswer = 5000;
constexpr const char* kBackend = "10.20.0.11";

uint16_t port_of(unsigned connection) {
  return static_cast<uint16_t>(20'000 + connection);
}

void add(InspectionFrames& frames, const test::Link& link, const test::PacketBuilder& packet) {
  const test::Bytes bytes = test::ethernet(link, packet);
  frames.emplace_back();
  std::copy(bytes.begin(), bytes.end(), frames.back().begin());
}

std::string request(std::mt19937& random) {
  std::string text = "GET /index.html?session=";
  while (text.size() < kPayload) {
    text += static_cast<char>('a' + random() % 26);
    if (text.size() % 64 == 0) text += "\r\nAccept: text/html";
  }
  text.resize(kPayload);
  return text;
}

}  // namespace

std::vector<dataplane::InspectionRule> rules_without_matches() {
  std::vector<dataplane::InspectionRule> all;
  for (uint32_t i = 0; i < kRules; ++i) {
    const std::string number = std::to_string(100'000 + i * 7919 % 900'000);
    dataplane::InspectionRule rule{.id = i, .pattern = "/w" + number + ".php", .is_literal = true};
    if (i % 2 == 1) rule = {.id = i, .pattern = "cmd=[a-z]{1,8}" + number + "\\s+(union|select)"};
    all.push_back(rule);
  }
  return all;
}

test::PacketBuilder client_segment(const char* vip, unsigned connection, uint32_t sequence) {
  return test::ip(test::kIpv4.client, vip)
      .tcp(port_of(connection), 80)
      .sequence(sequence)
      .acknowledgment(kFirstAnswer + 1);
}

void add_from_client(InspectionFrames& frames, const test::PacketBuilder& packet) {
  add(frames, {test::kRouterMac, test::kEdgeMac}, packet);
}

Openings::Openings(const char* vip, unsigned first, unsigned connections) {
  for (unsigned i = first; i < first + connections; ++i) {
    add_from_client(syns, client_segment(vip, i, kFirstByte - 1).syn());
    add(answers, {test::mac_of(kBackend), test::kCoreMac},
        test::ip(kBackend, test::kIpv4.client)
            .tcp(8080, port_of(i))
            .tcp_flags(0x12)
            .sequence(kFirstAnswer)
            .acknowledgment(kFirstByte));
    add_from_client(acknowledgments, client_segment(vip, i, kFirstByte).ack());
  }
}

InspectionTraffic::InspectionTraffic(unsigned connections, unsigned segments)
    : connections(connections), segments(segments), openings(test::kIpv4.vip, 0, connections) {
  std::mt19937 random(1);
  for (unsigned segment = 0; segment < segments; ++segment) {
    const auto sequence = static_cast<uint32_t>(kFirstByte + segment * kPayload);
    for (unsigned i = 0; i < connections; ++i) {
      add_from_client(data, client_segment(test::kIpv4.vip, i, sequence).ack().payload(request(random)));
    }
  }
}

}  // namespace sluice::perf
