// What registries answer, each format by the first byte of the input: nothing may be read beyond its bytes,
// and what is kept is bounded by them. Lines are cut alike however they come.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "ctrl/source/registry_value.h"
#include "ctrl/wire/bounded_json.h"
#include "ctrl/wire/consul_message.h"
#include "ctrl/wire/dns_answer.h"
#include "ctrl/wire/etcd_message.h"
#include "ctrl/wire/kubernetes_message.h"
#include "ctrl/wire/system_names.h"
#include "ctrl/wire/url.h"
#include "ctrl/wire/zookeeper_message.h"

namespace sluice::ctrl {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void check(const Instance& instance) {
  require(instance.port != 0 && instance.weight <= 65535 && instance.name.size() <= 253);
}

void dns(std::span<const uint8_t> bytes) {
  const auto query = dns_query(0x6162, "a.b", DnsType::kSrv).value();
  std::vector<uint8_t> message(query.begin(), query.begin() + 2);  // the id, which no fuzzer finds
  message.insert(message.end(), bytes.begin(), bytes.end());
  const auto answer = read_dns_answer(message, query);
  if (!answer || !*answer) return;
  require((*answer)->records.size() <= message.size() / 11);
  for (const DnsRecord& record : (*answer)->records) require(record.owner.size() <= 4 * 255);
  for (const DnsType type : {DnsType::kA, DnsType::kAaaa, DnsType::kSrv}) {
    if (const auto found = find_in(**answer, "a.b", type))
      require(found->records.size() <= (*answer)->records.size());
  }
}

void values(std::string_view text) {
  if (const auto instance = read_etcd_value(text)) check(*instance);
  const auto instance = read_zookeeper_value(text);
  if (instance && *instance) check(**instance);
}

void lines(std::string_view text) {
  const auto cut = [&](size_t piece) {
    LineSplitter splitter;
    std::vector<std::string> got;
    for (size_t at = 0; at < text.size(); at += piece) {
      splitter.put(text.substr(at, piece));
      while (auto line = splitter.next()) got.push_back(std::move(*line));
    }
    return got;
  };
  if (text.size() < 2000) require(cut(1) == cut(text.size() + 1));
}

void names(std::string_view text) {
  const auto settings = read_resolver_settings(text);
  require(settings.servers.size() <= 3 && settings.search.size() <= 6);
  (void)full_names(text.substr(0, text.find('\n')), settings);
  (void)addresses_in_hosts(text, "localhost");
  if (const auto url = parse_server_url(text, {})) require(!url->host.empty() && url->port != 0);
}

void zookeeper(std::span<const uint8_t> bytes) {
  (void)read_zookeeper_connected(bytes);
  if (const auto reply = read_zookeeper_reply(bytes)) require(reply->body.size() + 16 == bytes.size());
  (void)read_zookeeper_children(bytes);
  (void)read_zookeeper_data(bytes);
  (void)read_zookeeper_event(bytes);
}

}  // namespace
}  // namespace sluice::ctrl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace sluice::ctrl;
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 8) {
    case 0:
      dns({data + 1, size - 1});
      break;
    case 1:
      (void)read_etcd_page(text);
      break;
    case 2:
      (void)read_etcd_watch_line(text);
      (void)read_etcd_error(text);
      (void)read_etcd_token(text);
      break;
    case 3:
      (void)read_consul_health(text);
      break;
    case 4:
      (void)read_slice_page(text);
      (void)read_slice_event(text);
      (void)read_kubernetes_status(text);
      break;
    case 5:
      zookeeper({data + 1, size - 1});
      break;
    case 6:
      values(text);
      lines(text);
      break;
    default:
      names(text);
  }
  return 0;
}
