#include "ctrl/source/registry_value.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ctrl/source/entry.h"

namespace sluice::ctrl {
namespace {

std::string shown(const Instance& instance) {
  const std::string host = instance.name.empty() ? instance.address.to_string() : instance.name;
  return host + " " + std::to_string(instance.port) + " " + std::to_string(instance.weight);
}
std::string etcd(std::string_view value) {
  const auto instance = read_etcd_value(value);
  return instance ? shown(*instance) : "! " + instance.error().message;
}
std::string zookeeper(std::string_view value) {
  const auto instance = read_zookeeper_value(value);
  if (!instance) return "! " + instance.error().message;
  return *instance ? shown(**instance) : "does not serve";
}

TEST(RegistryValue, HostAndPort) {
  EXPECT_EQ(etcd("10.20.0.11:8080"), "10.20.0.11 8080 1");
  EXPECT_EQ(etcd(" 10.20.0.11:8080\n"), "10.20.0.11 8080 1");
  EXPECT_EQ(etcd("[2001:db8::1]:8080"), "2001:db8::1 8080 1");
  EXPECT_EQ(etcd("Web-1.example.test:8080"), "Web-1.example.test 8080 1");
  EXPECT_EQ(etcd(""), "! empty");
  EXPECT_EQ(etcd("10.20.0.11"), "! no port");
  EXPECT_EQ(etcd("2001:db8::1"), "! no port");
  EXPECT_EQ(etcd("[2001:db8::1]"), "! no port");
  EXPECT_EQ(etcd("10.20.0.11:0"), "! its port is not 1 to 65535");
  EXPECT_EQ(etcd("10.20.0.11:080"), "! its port is not 1 to 65535");
  EXPECT_EQ(etcd("10.20.0.256:80"), "! its address is neither an IP address nor a name");
  EXPECT_EQ(etcd("[10.20.0.1]:80"), "! what is in brackets is no IPv6 address");
  EXPECT_EQ(etcd("a b:80"), "! its address is neither an IP address nor a name");
  EXPECT_EQ(etcd(":80"), "! no address");
}

TEST(RegistryValue, EtcdsOwnNaming) {
  EXPECT_EQ(etcd(R"({"Op":0,"Addr":"10.20.0.11:8080","Metadata":{"weight":2}})"), "10.20.0.11 8080 2");
  EXPECT_EQ(etcd(R"({"Op":0,"Addr":"10.20.0.11:8080","Metadata":null})"), "10.20.0.11 8080 1");
  EXPECT_EQ(etcd(R"({"Addr":"10.20.0.11:8080","Metadata":"text"})"), "10.20.0.11 8080 1");
  EXPECT_EQ(etcd(R"({"Op":1,"Addr":"10.20.0.11:8080"})"), "! its Op is not 0");
}

TEST(RegistryValue, AddressPortAndWeight) {
  EXPECT_EQ(etcd(R"({"address":"10.20.0.11","port":8080,"weight":0})"), "10.20.0.11 8080 0");
  EXPECT_EQ(etcd(R"({"address":"10.20.0.11","port":"8080","weight":"65535"})"), "10.20.0.11 8080 65535");
  EXPECT_EQ(etcd(R"({"address":"10.20.0.11:8080"})"), "10.20.0.11 8080 1");
  EXPECT_EQ(etcd(R"({"address":"10.20.0.11","port":8080,"weight":65536})"), "! its weight is not 0 to 65535");
  EXPECT_EQ(etcd(R"({"address":"10.20.0.11","port":8080,"weight":-1})"), "! its weight is not 0 to 65535");
  EXPECT_EQ(etcd(R"({"address":"10.20.0.11","port":8080,"weight":1.5})"), "! its weight is not 0 to 65535");
  EXPECT_EQ(etcd(R"({"address":"10.20.0.11","port":70000})"), "! its port is not 1 to 65535");
  EXPECT_EQ(etcd(R"({"address":"10.20.0.11"})"), "! no port");
  EXPECT_EQ(etcd(R"({"port":80})"), "! no address");
  EXPECT_EQ(etcd(R"({"address":12,"port":80})"), "! no address");
  EXPECT_EQ(etcd("{"), "! it is not JSON");
  EXPECT_EQ(etcd(std::string(1000, '{')), "! JSON of more than 64 levels");
}

TEST(RegistryValue, MembersOfServersets) {
  EXPECT_EQ(zookeeper(R"({"serviceEndpoint":{"host":"10.20.0.11","port":8080},"additionalEndpoints":{},)"
                      R"("status":"ALIVE","shard":0})"),
            "10.20.0.11 8080 1");
  EXPECT_EQ(zookeeper(R"({"serviceEndpoint":{"host":"10.20.0.11","port":8080},"status":"ALIVE","weight":4})"),
            "10.20.0.11 8080 4");
  EXPECT_EQ(zookeeper(R"({"serviceEndpoint":{"host":"10.20.0.11","port":8080},"status":"STOPPING"})"),
            "does not serve");
  EXPECT_EQ(zookeeper(R"({"serviceEndpoint":{"host":"10.20.0.11"},"status":"ALIVE"})"), "! no port");
}

TEST(RegistryValue, InstancesOfCurator) {
  EXPECT_EQ(
      zookeeper(R"({"name":"web","id":"1","address":"10.20.0.11","port":8080,"sslPort":null,)"
                R"("payload":{"weight":3},"registrationTimeUTC":1,"serviceType":"DYNAMIC","enabled":true})"),
      "10.20.0.11 8080 3");
  EXPECT_EQ(zookeeper(R"({"address":"10.20.0.11","port":8080,"enabled":false})"), "does not serve");
  EXPECT_EQ(zookeeper("10.20.0.11:8080"), "10.20.0.11 8080 1");
}

TEST(SnapshotBuilder, NamesSoManyAsMayBeNamedAndNoStrangeBytes) {
  SnapshotBuilder builder;
  builder.leave_out("services/\x01\xff" + std::string(500, 'x'), "no port");
  for (int i = 0; i < 100; ++i) builder.leave_out(std::to_string(i), "no port");
  const Snapshot snapshot = builder.finish("7");
  EXPECT_EQ(snapshot.unreadable, 101u);
  ASSERT_EQ(snapshot.unreadable_entries.size(), Snapshot::kMostNamed);
  EXPECT_EQ(snapshot.unreadable_entries[0].size(), 200u);
  EXPECT_TRUE(snapshot.unreadable_entries[0].starts_with("services/??xxx"));
  EXPECT_TRUE(snapshot.unreadable_entries[0].ends_with("x: no port"));
  EXPECT_EQ(snapshot.unreadable_entries[1], "0: no port");
}

}  // namespace
}  // namespace sluice::ctrl
