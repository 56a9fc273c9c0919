// What registries answer, in their own words: recorded from etcd 3.4.23, Consul's documentation, kubectl and
// ZooKeeper 3.8.0.
#include <gtest/gtest.h>

#include "ctrl/wire/bounded_json.h"
#include "ctrl/wire/consul_message.h"
#include "ctrl/wire/etcd_message.h"
#include "ctrl/wire/kubernetes_message.h"
#include "ctrl/wire/zookeeper_message.h"

namespace sluice::ctrl {
namespace {

TEST(EtcdMessage, AsksAsEtcdctlDoes) {
  // base64: `web/`, `web0`, `web/1\0`
  EXPECT_EQ(etcd_range_request("web/", "", 0, 10),
            R"({"key":"d2ViLw==","limit":"10","range_end":"d2ViMA=="})");
  EXPECT_EQ(etcd_range_request("web/", "web/1", 7, 10),
            R"({"key":"d2ViLzEA","limit":"10","range_end":"d2ViMA==","revision":"7"})");
  // All keys: from the first to no end.
  EXPECT_EQ(etcd_range_request("", "", 0, 1), R"({"key":"AA==","limit":"1","range_end":"AA=="})");
  // The byte before a last 0xff is what grows.
  EXPECT_EQ(etcd_range_request("a\xff", "", 0, 1), R"({"key":"Yf8=","limit":"1","range_end":"Yg=="})");
  EXPECT_EQ(etcd_authentication_request("u", "p\"\\\n"), R"({"name":"u","password":"p\"\\\u000a"})");
}

TEST(EtcdMessage, ReadsAPage) {
  const auto page = read_etcd_page(
      R"({"header":{"cluster_id":"1","revision":"12"},"kvs":[{"key":"d2ViLzE=","mod_revision":"3","value":"eA=="},)"
      R"({"key":"d2ViLzI="}],"more":true,"count":"3"})");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->revision, 12);
  EXPECT_TRUE(page->has_more);
  ASSERT_EQ(page->entries.size(), 2u);
  EXPECT_EQ(page->entries[0].key, "web/1");
  EXPECT_EQ(page->entries[0].value, "x");
  EXPECT_EQ(page->entries[1].value, "");
  for (const char* bad :
       {"", "[]", "{}", R"({"header":{}})", R"({"header":{"revision":"0"}})",
        R"({"header":{"revision":"1"},"kvs":{}})", R"({"header":{"revision":"1"},"kvs":[{}]})",
        R"({"header":{"revision":"1"},"kvs":[{"key":"!"}]})", R"({"header":{"revision":"1"},"more":true})"}) {
    EXPECT_FALSE(read_etcd_page(bad)) << bad;
  }
}

TEST(EtcdMessage, ReadsAWatch) {
  auto line = read_etcd_watch_line(R"({"result":{"header":{"revision":"5"},"created":true}})");
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->is_created);
  line = read_etcd_watch_line(
      R"({"result":{"header":{"revision":"6"},"events":[{"kv":{"key":"YQ==","value":"eA=="}},)"
      R"({"type":"DELETE","kv":{"key":"Yg==","mod_revision":"6"}}]}})");
  ASSERT_TRUE(line);
  EXPECT_EQ(line->revision, 6);
  ASSERT_EQ(line->events.size(), 2u);
  EXPECT_FALSE(line->events[0].is_deleted);
  EXPECT_TRUE(line->events[1].is_deleted);
  EXPECT_EQ(line->events[1].entry.key, "b");
  line = read_etcd_watch_line(
      R"({"result":{"header":{"cluster_id":"1"},"canceled":true,"compact_revision":"11"}})");
  ASSERT_TRUE(line);
  EXPECT_FALSE(line->revision);
  EXPECT_EQ(line->compact_revision, 11);
  line = read_etcd_watch_line(
      R"({"error":{"grpc_code":14,"http_code":503,"message":"transport is closing","http_status":"x"}})");
  ASSERT_TRUE(line);
  EXPECT_TRUE(line->is_error);
  EXPECT_EQ(line->reason, "transport is closing");
  EXPECT_FALSE(read_etcd_watch_line("{}"));
  EXPECT_FALSE(read_etcd_watch_line(R"({"result":{"events":[{"type":"MOVED","kv":{"key":"YQ=="}}]}})"));
}

TEST(EtcdMessage, ReadsErrors) {
  const auto error = read_etcd_error(
      R"({"error":"etcdserver: invalid auth token","code":16,"message":"etcdserver: invalid auth token"})");
  EXPECT_EQ(error.code, EtcdError::kUnauthenticated);
  EXPECT_EQ(error.message, "etcdserver: invalid auth token");
  EXPECT_EQ(read_etcd_error("<html>").message, "");
  EXPECT_FALSE(read_etcd_token(R"({"token":"a\r\nb"})"));
}

TEST(ConsulMessage, ReadsInstances) {
  const auto entries = read_consul_health(R"([
    {"Node":{"Address":"10.0.0.9"},"Service":{"ID":"web-1","Address":"","Port":80,"Weights":{"Passing":5,"Warning":2}},
     "Checks":[{"Status":"passing"},{"Status":"warning"}]},
    {"Node":{"Address":"10.0.0.9"},"Service":{"ID":"web-2","Address":"10.0.0.2","Port":"80"},
     "Checks":[{"Status":"maintenance"}]}])");
  ASSERT_TRUE(entries);
  ASSERT_EQ(entries->size(), 2u);
  EXPECT_EQ((*entries)[0].address, "10.0.0.9");
  EXPECT_EQ((*entries)[0].state, ConsulState::kWarning);
  EXPECT_EQ((*entries)[0].warning_weight, 2);
  EXPECT_EQ((*entries)[1].state, ConsulState::kCritical);
  EXPECT_FALSE((*entries)[1].port);
  for (const char* bad : {"", "{}", "null", "[1]", R"([{"Node":{}}])"})
    EXPECT_FALSE(read_consul_health(bad)) << bad;
}

TEST(ConsulMessage, TheIndexKeepsItsRules) {
  EXPECT_EQ(next_consul_index(0, "7"), 7u);
  EXPECT_EQ(next_consul_index(7, "9"), 9u);
  EXPECT_EQ(next_consul_index(9, "7"), 0u);
  EXPECT_EQ(next_consul_index(0, "0"), 1u);
  EXPECT_EQ(next_consul_index(5, ""), 0u);
  EXPECT_EQ(next_consul_index(5, "x"), 0u);
}

TEST(KubernetesMessage, ReadsSlices) {
  const auto page =
      read_slice_page(R"({"kind":"EndpointSliceList","metadata":{"resourceVersion":"99","continue":"abc"},
    "items":[{"metadata":{"name":"web-1","resourceVersion":"7","labels":{"kubernetes.io/service-name":"web"}},
    "addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"},{"name":"any","port":null}],
    "endpoints":[{"addresses":["10.0.0.1","10.0.0.2"],"conditions":{}},
                 {"addresses":["10.0.0.3"],"conditions":{"ready":false,"serving":true,"terminating":true}},
                 {"addresses":["10.0.0.4"],"conditions":{"ready":false}},{"addresses":[]}]}]})");
  ASSERT_TRUE(page);
  EXPECT_EQ(page->version, "99");
  EXPECT_EQ(page->next, "abc");
  const EndpointSlice& slice = page->slices.at(0);
  EXPECT_EQ(slice.service, "web");
  EXPECT_EQ(slice.ports.at(0).number, 8080);
  EXPECT_FALSE(slice.ports.at(1).number);
  EXPECT_EQ(slice.endpoints.at(0).address, "10.0.0.1");
  EXPECT_TRUE(slice.endpoints[0].ready && slice.endpoints[0].serving);
  EXPECT_TRUE(!slice.endpoints[1].ready && slice.endpoints[1].serving && slice.endpoints[1].terminating);
  EXPECT_TRUE(!slice.endpoints[2].ready && !slice.endpoints[2].serving);
  EXPECT_EQ(slice.endpoints[3].address, "");
  for (const char* bad : {"", "{}", R"({"metadata":{"resourceVersion":"1"},"items":{}})",
                          R"({"metadata":{"resourceVersion":"1"},"items":[{}]})"}) {
    EXPECT_FALSE(read_slice_page(bad)) << bad;
  }
}

TEST(KubernetesMessage, ReadsEvents) {
  using Kind = SliceEvent::Kind;
  const std::string slice = R"("object":{"metadata":{"name":"web-1","resourceVersion":"8"}}})";
  EXPECT_EQ(read_slice_event(R"({"type":"ADDED",)" + slice)->kind, Kind::kPut);
  EXPECT_EQ(read_slice_event(R"({"type":"MODIFIED",)" + slice)->slice.version, "8");
  EXPECT_EQ(read_slice_event(R"({"type":"DELETED",)" + slice)->kind, Kind::kDelete);
  EXPECT_EQ(read_slice_event(R"({"type":"BOOKMARK",)" + slice)->kind, Kind::kBookmark);
  const std::string error = R"({"type":"ERROR","object":{"kind":"Status","message":"too old","code":)";
  EXPECT_EQ(read_slice_event(error + "410}}")->kind, Kind::kGone);
  EXPECT_EQ(read_slice_event(error + "500}}")->kind, Kind::kError);
  EXPECT_EQ(read_slice_event(error + "500}}")->reason, "too old");
  EXPECT_FALSE(read_slice_event(R"({"type":"OTHER",)" + slice));
  EXPECT_FALSE(read_slice_event("{"));
}

std::span<const uint8_t> bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

TEST(ZookeeperMessage, WritesFrames) {
  EXPECT_EQ(zookeeper_ping(), std::string("\0\0\0\10\377\377\377\376\0\0\0\13", 12));
  EXPECT_EQ(zookeeper_read_request(1, ZookeeperOperation::kGetChildren2, "/a", true),
            std::string("\0\0\0\17\0\0\0\1\0\0\0\14\0\0\0\2/a\1", 19));
  EXPECT_EQ(zookeeper_connect_request({}, 10000, 0).size(), 4u + 45);
}

TEST(ZookeeperMessage, ReadsReplies) {
  const std::string stat(68, '\0');
  const std::string children = std::string("\0\0\0\2\0\0\0\1a\0\0\0\2bc", 15) + stat;
  EXPECT_EQ(read_zookeeper_children(bytes(children)), (std::vector<std::string>{"a", "bc"}));
  const std::string data = std::string("\0\0\0\1x", 5) + stat;
  EXPECT_EQ(read_zookeeper_data(bytes(data)), "x");
  EXPECT_EQ(read_zookeeper_data(bytes(std::string("\377\377\377\377", 4) + stat)), "");
  for (size_t size = 0; size < children.size(); ++size) {
    EXPECT_FALSE(read_zookeeper_children(bytes(children.substr(0, size))));
  }
  EXPECT_FALSE(read_zookeeper_children(bytes(std::string("\177\377\377\377", 4))));
  EXPECT_FALSE(read_zookeeper_children(bytes(std::string("\0\0\0\1\0\0\0\3a/b", 11) + stat)));
  const auto event = read_zookeeper_event(bytes(std::string("\0\0\0\4\0\0\0\3\0\0\0\2/a", 14)));
  ASSERT_TRUE(event);
  EXPECT_EQ(event->type, ZookeeperEvent::Type::kChildrenChanged);
  EXPECT_EQ(event->path, "/a");
}

TEST(LineSplitter, CutsAlikeHoweverBytesCome) {
  const std::string stream = "one\n\r\ntwo\r\nthree";
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    LineSplitter lines;
    std::vector<std::string> got;
    for (size_t at = 0; at < stream.size(); at += piece) {
      lines.put(stream.substr(at, piece));
      while (auto line = lines.next()) got.push_back(*line);
    }
    EXPECT_EQ(got, (std::vector<std::string>{"one", "two"})) << piece;
    EXPECT_TRUE(lines.has_part());
  }
}

TEST(LineSplitter, ALineThatDoesNotEndIsTooLong) {
  LineSplitter lines;
  for (size_t i = 0; i <= LineSplitter::kMostBytes / 65536; ++i) {
    lines.put(std::string(65536, 'x'));
    EXPECT_FALSE(lines.next());
  }
  EXPECT_TRUE(lines.is_too_long());
}

TEST(BoundedJson, RefusesDepthAndGarbage) {
  EXPECT_TRUE(parse_bounded_json(std::string(64, '[') + std::string(64, ']')));
  EXPECT_FALSE(parse_bounded_json(std::string(65, '[') + std::string(65, ']')));
  EXPECT_TRUE(parse_bounded_json("\"" + std::string(100, '[') + "\\\"\""));
  for (const char* bad : {"", "{", "[1,]", "\xff", "nul"}) EXPECT_FALSE(parse_bounded_json(bad)) << bad;
  EXPECT_EQ(integer_in(nlohmann::json("12")), 12);
  EXPECT_FALSE(integer_in(nlohmann::json("12x")));
  EXPECT_FALSE(integer_in(nlohmann::json(UINT64_MAX)));
}

}  // namespace
}  // namespace sluice::ctrl
