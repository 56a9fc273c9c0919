#include "ctrl/intent/config_warnings.h"

#include <gtest/gtest.h>

#include "ctrl/intent/config_file.h"
#include "ctrl/intent/config_schema.h"

namespace sluice::ctrl {
namespace {

constexpr auto kClean = R"(
gateway: { workers: [1], hash_key: "000102030405060708090a0b0c0d0e0f" }
ports:
  - { name: edge0, device: net_null0, addresses: ["198.18.10.1/24"] }
  - { name: core0, device: net_null1, addresses: ["198.18.20.1/24"] }
routes: [{ to: "192.0.2.0/24", via: "198.18.20.254" }]
pools:
  - name: web
    health: { type: tcp }
    backends: [{ address: "198.18.20.11", port: 80 }, { address: "192.0.2.7", port: 80 }]
services:
  - { name: web, address: "203.0.113.10", port: 80, protocol: tcp, forward: dnat, pool: web }
)";

std::optional<IpAddress> on_core(const IpAddress&) {
  return *IpAddress::parse("198.18.20.2");
}

/// `pointer: message` of every warning about the file.
std::string warnings(const std::string& text, const KernelSource& source = on_core) {
  const auto file = parse_config_text("test.yaml", text);
  EXPECT_TRUE(file) << file.error().message;
  const auto model = parse_config(file->config);
  EXPECT_TRUE(model) << (model ? "" : model.error().faults.at(0).message);
  std::string all;
  for (const Fault& warning : warnings_of(*model, file->config, source)) {
    all += warning.pointer + ": " + warning.message + "\n";
  }
  return all;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(ConfigWarnings, SaysNothingOfWhatIsMeant) {
  EXPECT_EQ(warnings(kClean), "");
}

TEST(ConfigWarnings, NamesAPoolThatServesNobody) {
  const auto empty = replaced(
      kClean, R"(backends: [{ address: "198.18.20.11", port: 80 }, { address: "192.0.2.7", port: 80 }])",
      "backends: []");
  EXPECT_TRUE(warnings(empty).starts_with("/services/0/pool: no backend of pool \"web\" takes new flows"));
  const auto weightless = replaced(replaced(kClean, "port: 80 }, ", "port: 80, weight: 0 }, "),
                                   "\"192.0.2.7\", port: 80", "\"192.0.2.7\", port: 80, weight: 0");
  EXPECT_TRUE(warnings(weightless).starts_with("/services/0/pool: no backend"));
  EXPECT_EQ(warnings(replaced(kClean, "services:", "  - { name: spare, backends: [] }\nservices:")),
            "/pools/1: no service uses pool \"spare\"\n");
}

TEST(ConfigWarnings, NamesABackendThatNothingLeadsTo) {
  EXPECT_TRUE(
      warnings(replaced(kClean, "192.0.2.7", "198.51.100.7"))
          .starts_with(
              "/pools/0/backends/1/address: no route and no network of a port leads to 198.51.100.7"));
}

TEST(ConfigWarnings, AsksNoRouteOfTheKernelForChecksThroughTunnels) {
  const auto none = [](const IpAddress&) { return std::optional<IpAddress>(); };
  const auto gue = replaced(replaced(kClean, "forward: dnat", "forward: gue"),
                            "services:", "encap: { source: \"198.18.20.1\" }\nservices:");
  EXPECT_TRUE(warnings(gue, none).starts_with("/pools/0/health: checks leave by the kernel"));
  const auto through = replaced(gue, "type: tcp", "type: tcp, via: service");
  EXPECT_EQ(warnings(through, none), "");
  EXPECT_TRUE(warnings(replaced(kClean, "type: tcp", "type: tcp, via: service"), none)
                  .starts_with("/pools/0/health: checks leave by the kernel"))
      << "NAT goes by the kernel still";
  EXPECT_EQ(warnings(replaced(through, "203.0.113.10", "2001:db8::10"), none),
            "/pools/0/health/via: no port has an IPv6 address that answers to checks through service \"web\" "
            "could come to\n");
  const auto no_port =
      replaced(replaced(through, ", port: 80 }, {", " }, {"), "port: 80, protocol", "port: any, protocol");
  EXPECT_EQ(
      warnings(no_port, none),
      "/pools/0/health/port: is left out, and service \"web\" has no port of its own to check either\n");
}

TEST(ConfigWarnings, NamesAPoolWhoseChecksTheKernelCannotSend) {
  const auto none = [](const IpAddress&) { return std::optional<IpAddress>(); };
  EXPECT_TRUE(
      warnings(kClean, none)
          .starts_with("/pools/0/health: checks leave by the kernel, which has no route to 198.18.20.11"));
  // By the default route of another network: it would get there, if at all, by a way of its own.
  const auto elsewhere = [](const IpAddress&) { return std::optional(*IpAddress::parse("10.0.0.5")); };
  EXPECT_TRUE(warnings(kClean, elsewhere)
                  .find("sends to 198.18.20.11 from 10.0.0.5, not by the network of port \"core0\"") !=
              std::string::npos);
  EXPECT_EQ(warnings(replaced(kClean, "health: { type: tcp }", "fail_open: true"), none), "");
}

TEST(ConfigWarnings, ThePortsOwnTapIsAWay) {
  const auto none = [](const IpAddress&) { return std::optional<IpAddress>(); };
  auto text = replaced(kClean, "net_null1, ", "net_null1, kernel: true, ");
  text = replaced(text, ", { address: \"192.0.2.7\", port: 80 }", "");
  EXPECT_EQ(warnings(text, none), "");
}

TEST(ConfigWarnings, AsksTheKernelABoundedNumberOfTimes) {
  std::string backends;
  for (int i = 0; i < 5000; ++i) {
    backends += "{ address: \"198.18.20." + std::to_string(i / 250 + 10) +
                "\", port: " + std::to_string(1000 + i) + " }, ";
  }
  size_t asked = 0;
  const auto counted = [&](const IpAddress&) {
    ++asked;
    return std::optional(*IpAddress::parse("198.18.20.2"));
  };
  EXPECT_EQ(warnings(replaced(kClean, "{ address: \"192.0.2.7\", port: 80 }", backends), counted), "");
  EXPECT_EQ(asked, 20u);  // addresses, not backends
}

TEST(ConfigWarnings, NamesTcpAndUdpOfOnePortThatAreApart) {
  const auto apart = replaced(
      replaced(kClean,
               "services:", "  - { name: quic, backends: [{ address: \"198.18.20.12\" }] }\nservices:"),
      "pool: web }",
      "pool: web }\n  - { name: quic, address: \"203.0.113.10\", port: 80, protocol: udp, forward: dnat, "
      "pool: quic }");
  EXPECT_EQ(warnings(apart).find("/services/0/pool: the same address and port is in pool \"quic\""), 0u)
      << warnings(apart);
}

TEST(ConfigWarnings, NamesACpuOfTwoWorkersThatNeverRest) {
  EXPECT_EQ(warnings(replaced(kClean, "workers: [1],", "workers: [1, 1],")), "");
  EXPECT_TRUE(warnings(replaced(kClean, "workers: [1],", "workers: [1, 2], hash_workers: [2], idle: poll,"))
                  .starts_with("/gateway/idle: CPU 2 has two workers"));
}

TEST(ConfigWarnings, KnowsWhatServicesFromASourceNeedAndUse) {
  const auto offered = replaced(
      replaced(kClean, "services:", "  - { name: spare, backends: [] }\nservices:"), "pools:",
      "sources: [{ name: mesh, type: xds, endpoints: [\"192.0.2.9:15010\"] }]\nservices_from: mesh\npools:");
  EXPECT_EQ(warnings(offered),
            "/services_from: no listener can be served: they need full-nat, and \"snat\" has no address\n")
      << "a pool that no service uses may be a cluster's";
  EXPECT_EQ(warnings(replaced(offered, "pools:", "snat: [\"198.18.20.5\"]\npools:")), "");
}

TEST(KernelSource, IsTheAddressThatTheRoutingTableChooses) {
  EXPECT_EQ(kernel_source(*IpAddress::parse("127.0.0.2")), *IpAddress::parse("127.0.0.1"));
  EXPECT_EQ(kernel_source(*IpAddress::parse("::1")), *IpAddress::parse("::1"));
  EXPECT_EQ(kernel_source(*IpAddress::parse("255.255.255.255")), std::nullopt);
}

}  // namespace
}  // namespace sluice::ctrl
