#include "ctrl/wire/system_names.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using Names = std::vector<std::string>;

TEST(SystemNames, ReadsResolvConfAsAPodHasIt) {
  const auto settings = read_resolver_settings(
      "# a comment\nnameserver 10.96.0.10\nnameserver 2001:db8::53 ; second\nnameserver fe80::1%eth0\n"
      "domain ignored.example\nsearch prod.svc.cluster.local svc.cluster.local\ncluster.local\n"
      "options timeout:1 ndots:5 edns0\n");
  ASSERT_EQ(settings.servers.size(), 2u);
  EXPECT_EQ(settings.servers[0].to_string(), "10.96.0.10");
  EXPECT_EQ(settings.servers[1].to_string(), "2001:db8::53");
  EXPECT_EQ(settings.search, (Names{"prod.svc.cluster.local", "svc.cluster.local"}));
  EXPECT_EQ(settings.dots, 5u);
}

TEST(SystemNames, WithoutAServerTheLocalHostIsAsked) {
  const auto settings = read_resolver_settings("options ndots:99999999999999999999\n");
  ASSERT_EQ(settings.servers.size(), 1u);
  EXPECT_EQ(settings.servers[0].to_string(), "127.0.0.1");
  EXPECT_EQ(settings.dots, 1u);
}

TEST(SystemNames, AtMostThreeServers) {
  std::string text;
  for (int i = 1; i < 9; ++i) text += "nameserver 10.0.0." + std::to_string(i) + '\n';
  EXPECT_EQ(read_resolver_settings(text).servers.size(), 3u);
}

TEST(SystemNames, TriesSearchDomainsByTheDotsOfAName) {
  const ResolverSettings settings{{}, {"one.test", "two.test"}, 2};
  EXPECT_EQ(full_names("etcd", settings), (Names{"etcd.one.test", "etcd.two.test", "etcd"}));
  EXPECT_EQ(full_names("a.b.C", settings), (Names{"a.b.c", "a.b.c.one.test", "a.b.c.two.test"}));
  EXPECT_EQ(full_names("etcd.", settings), (Names{"etcd"}));
}

TEST(SystemNames, FindsHosts) {
  const std::string hosts =
      "127.0.0.1\tlocalhost\n::1 localhost ip6-localhost # not: commented\n\n10.0.0.1 Etcd etcd.test\nbad "
      "etcd\n";
  EXPECT_EQ(addresses_in_hosts(hosts, "LOCALHOST").size(), 2u);
  ASSERT_EQ(addresses_in_hosts(hosts, "etcd").size(), 1u);
  EXPECT_EQ(addresses_in_hosts(hosts, "etcd")[0].to_string(), "10.0.0.1");
  EXPECT_TRUE(addresses_in_hosts(hosts, "commented").empty());
  EXPECT_TRUE(addresses_in_hosts(hosts, "10.0.0.1").empty());
}

}  // namespace
}  // namespace sluice::ctrl
