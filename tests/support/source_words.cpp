// Runs one source of backends and prints its words, a line of JSON each, for the tests of sources.
// usage: source_words SOURCE DISCOVER...: the fields of SourceModel and DiscoverModel, as JSON objects, or
// `"services"`; the subscriptions are numbered from 1. Lines of standard input: `unsubscribe NUMBER`,
// `resolve NAME`; it ends with standard input.
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <iostream>
#include <istream>
#include <nlohmann/json.hpp>

#include "ctrl/log/log.h"
#include "ctrl/source/source_types.h"

namespace sluice::ctrl {
namespace {

using nlohmann::json;

void print(const json& line) {
  std::cout << line.dump() << std::endl;
}

class Words : public SourceSink {
 public:
  void deliver(SubscriptionId id, Snapshot snapshot) override {
    json instances = json::array();
    for (const Instance& instance : snapshot.instances) {
      const std::string host = instance.name.empty() ? instance.address.to_string() : instance.name;
      instances.push_back({host, instance.port, instance.weight, instance.takes_new_flows});
    }
    std::sort(instances.begin(), instances.end());
    json shares = json::object();
    for (const Instance& instance : snapshot.instances) {
      if (instance.share) shares[instance.address.to_string()] = *instance.share;
    }
    json services = json::object();
    for (const OfferedService& service : snapshot.services) {
      json targets = json::object();
      for (const OfferedService::Target& target : service.targets) targets[target.cluster] = target.weight;
      services[service.name] = {service.address.to_string(), service.port, targets};
    }
    print({{"word", "deliver"},
           {"services", services},
           {"shares", shares},
           {"id", id},
           {"instances", instances},
           {"version", snapshot.version},
           {"unreadable", snapshot.unreadable},
           {"entries", snapshot.unreadable_entries},
           {"repaired", snapshot.repaired}});
  }
  void confirm(SubscriptionId id) override { print({{"word", "confirm"}, {"id", id}}); }
  void lost(SubscriptionId id, const std::string& reason) override {
    print({{"word", "lost"}, {"id", id}, {"reason", reason}});
  }
};

template <typename Value>
void take(const json& object, const char* key, Value& value) {
  if (object.contains(key)) object.at(key).get_to(value);
}
void take(const json& object, const char* key, std::chrono::milliseconds& value) {
  if (object.contains(key)) value = std::chrono::milliseconds(object.at(key).get<int64_t>());
}

SourceModel source_of(const json& object) {
  SourceModel model;
  model.name = "tested";
  take(object, "type", model.type);
  take(object, "endpoints", model.endpoints);
  take(object, "username", model.username);
  take(object, "password_file", model.password_file);
  take(object, "token_file", model.token_file);
  take(object, "datacenter", model.datacenter);
  take(object, "node_id", model.node_id);
  take(object, "node_cluster", model.node_cluster);
  take(object, "delta", model.delta);
  take(object, "session_timeout", model.session_timeout);
  take(object, "min_ttl", model.min_ttl);
  take(object, "max_ttl", model.max_ttl);
  take(object, "resync", model.resync);
  take(object, "tls", model.tls.enabled);
  take(object, "ca", model.tls.ca);
  take(object, "certificate", model.tls.certificate);
  take(object, "key", model.tls.key);
  take(object, "server_name", model.tls.server_name);
  return model;
}

DiscoverModel discover_of(const json& object) {
  DiscoverModel model;
  take(object, "name", model.name);
  take(object, "is_srv", model.is_srv);
  take(object, "port", model.port);
  take(object, "prefix", model.prefix);
  take(object, "path", model.path);
  take(object, "service", model.service);
  take(object, "tag", model.tag);
  take(object, "cluster", model.cluster);
  take(object, "namespace", model.name_space);
  return model;
}

class Orders {
 public:
  Orders(boost::asio::io_context& io, Source& source)
      : io_(io), source_(source), input_(io, ::dup(STDIN_FILENO)) {}

  void read() {
    boost::asio::async_read_until(input_, text_, '\n', [this](boost::system::error_code error, size_t) {
      if (error) return io_.stop();
      std::string word, rest;
      std::istream(&text_) >> word >> rest;
      text_.consume(text_.size());  // tests send one at a time
      if (word == "unsubscribe") source_.unsubscribe(std::stoul(rest));
      if (word == "resolve") {
        source_.resolver()->resolve(rest, [rest](const NameResolver::Answer& answer) { tell(rest, answer); });
      }
      read();
    });
  }

 private:
  static void tell(const std::string& name, const NameResolver::Answer& answer) {
    json addresses = json::array();
    for (const IpAddress& address : answer.addresses) addresses.push_back(address.to_string());
    std::sort(addresses.begin(), addresses.end());
    print({{"word", "resolved"},
           {"name", name},
           {"is_authoritative", answer.is_authoritative},
           {"addresses", addresses},
           {"ttl", answer.ttl.count()},
           {"error", answer.error}});
  }
  boost::asio::io_context& io_;
  Source& source_;
  boost::asio::posix::stream_descriptor input_;
  boost::asio::streambuf text_;
};

int run(int count, char** arguments) {
  const SourceModel model = source_of(json::parse(arguments[1]));
  const auto types = source_types();
  const auto type =
      std::find_if(types.begin(), types.end(), [&](const SourceType& row) { return row.name == model.type; });
  if (type == types.end()) {
    std::cerr << "no such type of source: " << model.type << '\n';
    return 2;
  }
  Words words;
  boost::asio::io_context io;
  // Goes before the context, with which its coroutines go, as in SourceSet.
  const std::shared_ptr<Source> source = type->make(model, {io, words});
  for (int i = 2; i < count; ++i) {
    const json wanted = json::parse(arguments[i]);
    const auto id = static_cast<SubscriptionId>(i - 1);
    wanted == "services" ? source->subscribe_services(id) : source->subscribe(id, discover_of(wanted));
  }
  Orders orders(io, *source);
  orders.read();
  io.run();
  return 0;
}

}  // namespace
}  // namespace sluice::ctrl

int main(int count, char** arguments) {
  if (count < 2) return 2;
  sluice::ctrl::open_log({}, sluice::ctrl::LogTarget::kStderr);  // standard output is for the words
  return sluice::ctrl::run(count, arguments);
}
