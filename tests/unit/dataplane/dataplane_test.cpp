// The whole data plane, threads and all, between capture files: frames go in by a net_pcap device with one
// queue each way, and what two workers made of them is read back. EAL starts once in a process, so this is
// one test in an executable of its own.
#include "dataplane/roles/dataplane.h"

#include <gtest/gtest.h>
#include <sched.h>
#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <functional>

#include "dataplane/base/packet.h"
#include "tests/support/pcap_file.h"
#include "tests/support/test_tables.h"

namespace sluice::dataplane {
namespace {

using test::Bytes;
using test::ip;
using test::kIpv4;

constexpr unsigned kFlows = 64;
constexpr unsigned kPatienceMs = 20'000;

unsigned first_allowed_cpu() {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  unsigned cpu = 0;
  while (!CPU_ISSET(cpu, &allowed)) ++cpu;
  return cpu;
}

bool eventually(const std::function<bool()>& is_so) {
  for (unsigned waited = 0; waited < kPatienceMs; ++waited) {
    if (is_so()) return true;
    const timespec millisecond{0, 1'000'000};
    nanosleep(&millisecond, nullptr);
  }
  return false;
}

uint64_t sum(const DataPlane& plane, const std::function<uint64_t(const WorkerStats&)>& what) {
  uint64_t total = 0;
  for (const WorkerInfo& worker : plane.workers()) total += what(plane.stats(worker.index));
  return total;
}

uint64_t dropped(const WorkerStats& stats) {
  uint64_t total = 0;
  for (const Counter& counter : stats.dropped) total += counter.read();
  return total;
}

uint64_t transmitted(const WorkerStats& stats, size_t port) {
  return stats.ports[port].transmitted_packets.read();
}

BootConfig configuration(const std::string& directory) {
  BootConfig config;
  config.eal = {"--no-huge", "-m", "256"};
  config.workers = {first_allowed_cpu(), first_allowed_cpu()};
  config.flow_table_entries = 4096;
  PortConfig edge;
  edge.name = "edge";
  edge.device = "net_pcap0,rx_pcap=" + directory + "/in.pcap,tx_pcap=" + directory + "/edge.pcap";
  edge.mac = *MacAddress::parse(test::kEdgeMac);
  PortConfig core;
  core.name = "core";
  core.device = "net_pcap1,rx_pcap=" + directory + "/none.pcap,tx_pcap=" + directory + "/core.pcap";
  core.mac = *MacAddress::parse(test::kCoreMac);
  config.ports = {edge, core};
  return config;
}

Bytes request(unsigned flow) {
  return test::ethernet(
      {test::kRouterMac, test::kEdgeMac},
      ip(kIpv4.client, kIpv4.vip).udp(static_cast<uint16_t>(1024 + flow), 53).payload("ask"));
}

/// The request as it leaves for the backend: in an IPv4 header of ours.
Bytes encapsulated(unsigned flow) {
  const auto inner = ip(kIpv4.client, kIpv4.vip).udp(static_cast<uint16_t>(1024 + flow), 53).payload("ask");
  return test::ethernet({test::kCoreMac, test::mac_of(kIpv4.backend)},
                        ip(kIpv4.edge, kIpv4.backend).protocol(test::kProtocolIpip).ip_id(0).payload(inner));
}

void expect_forwarded(const std::string& capture) {
  const auto frames = test::read_pcap(capture);
  for (unsigned flow = 0; flow < kFlows; ++flow) {
    EXPECT_EQ(std::count(frames.begin(), frames.end(), encapsulated(flow)), 1) << "flow " << flow;
  }
}

void announce_ports(Tables& tables) {
  std::vector<Announcement> own;
  for (size_t port = 0; port < tables.ports.size(); ++port) {
    for (const Prefix& prefix : tables.ports[port].addresses) own.push_back({1, prefix.address, 1u << port});
  }
  std::sort(own.begin(), own.end(), [](const auto& a, const auto& b) { return a.address < b.address; });
  tables.announcements = std::make_shared<const std::vector<Announcement>>(std::move(own));
}

TEST(DataPlane, LivesFromStartToStop) {
  const std::string directory = testing::TempDir() + "sluice-dataplane-test-" + std::to_string(getpid());
  ASSERT_EQ(std::system(("mkdir -p " + directory).c_str()), 0);
  std::vector<Bytes> frames;
  for (unsigned flow = 0; flow < kFlows; ++flow) frames.push_back(request(flow));
  test::write_pcap(directory + "/in.pcap", frames);
  test::write_pcap(directory + "/none.pcap", {});

  auto created = DataPlane::create(configuration(directory));
  ASSERT_TRUE(created) << created.error().message;
  DataPlane& plane = **created;
  const auto ports = plane.ports();
  ASSERT_EQ(ports.size(), 2u);
  EXPECT_EQ(ports[0].name, "edge");
  EXPECT_EQ(ports[0].driver, "net_pcap");
  EXPECT_EQ(ports[0].mac.to_string(), test::kEdgeMac);
  EXPECT_EQ(plane.workers().size(), 2u);
  EXPECT_FALSE(DataPlane::create(configuration(directory))) << "EAL cannot start twice";

  const auto tables = test::make_tables({{.address = kIpv4.vip,
                                          .first_port = 53,
                                          .last_port = 53,
                                          .protocol = IpProtocol::kUdp,
                                          .forward = lb::ForwardMode::kIpip,
                                          .backends = {{kIpv4.backend}}}});
  announce_ports(*tables);
  const auto started = plane.start(tables);
  ASSERT_TRUE(started) << started.error().message;
  EXPECT_TRUE(eventually(
      [&] { return sum(plane, [](const auto& stats) { return transmitted(stats, 1); }) >= kFlows; }));
  EXPECT_TRUE(eventually([&] { return plane.neighbors().size() == tables->neighbors.size(); }));

  FlowKey flow{*IpAddress::parse(kIpv4.client),
               *IpAddress::parse(kIpv4.vip),
               Be16::from_host(1024),
               Be16::from_host(53),
               IpProtocol::kUdp,
               {}};
  EXPECT_EQ(plane.possible_owners(flow), (std::vector<unsigned>{0, 1})) << "whoever received it";
  flow.destination = *IpAddress::parse(kIpv4.snat);
  flow.destination_port = Be16::from_host(1025);
  EXPECT_EQ(plane.possible_owners(flow).size(), 1u) << "full-nat's ports have their owner";

  const auto next = test::make_tables({});
  next->announcements = tables->announcements;
  plane.publish(next);
  EXPECT_TRUE(eventually([&] { return plane.settled(); }));
  plane.reclaim();
  EXPECT_EQ(tables.use_count(), 1) << "no worker holds retired Tables";

  WorkerRequest question;
  question.question = ExplainRequest{};
  ASSERT_TRUE(plane.ask(1, question));
  EXPECT_TRUE(eventually([&] { return question.done.load(std::memory_order_acquire); }));

  plane.stop();
  plane.stop();
  EXPECT_EQ(sum(plane, dropped), 0u);
  EXPECT_EQ(sum(plane, [](const auto& stats) { return stats.ports[0].received_packets.read(); }), kFlows);
  const uint64_t originated = sum(plane, [](const auto& stats) { return stats.originated.read(); });
  EXPECT_GE(originated, 4u) << "every address of a port was announced";
  EXPECT_EQ(sum(plane, [](const auto& stats) { return transmitted(stats, 0) + transmitted(stats, 1); }),
            kFlows + originated);
  created->reset();
  expect_forwarded(directory + "/core.pcap");
  EXPECT_EQ(std::system(("rm -r " + directory).c_str()), 0);
}

}  // namespace
}  // namespace sluice::dataplane
