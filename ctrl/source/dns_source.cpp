#include "ctrl/source/dns_source.h"

#include <algorithm>
#include <map>
#include <random>

#include "common/decimal.h"
#include "ctrl/net/faults.h"
#include "ctrl/net/task_group.h"
#include "ctrl/source/delivery.h"
#include "ctrl/source/dns_client.h"
#include "ctrl/source/entry.h"
#include "ctrl/source/subscriptions.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

/// What is known of the addresses of one target.
struct Target {
  NamedAddresses addresses;
  Clock::time_point expires{};  ///< to be asked for again from then on
};

struct DnsSubscription {
  DnsSubscription(SourceSink& sink, SubscriptionId id, const DiscoverModel& what)
      : delivery(sink, id), wanted(what) {}
  Delivery delivery;
  DiscoverModel wanted;
  StopSignal stop;
  void end() { stop.stop(); }
  std::map<std::string, Target> targets;
  Backoff backoff;
};

std::vector<DnsServer> servers_of(const SourceModel& model) {
  const uint16_t port = model.tls.enabled ? 853 : 53;
  std::vector<DnsServer> servers;
  for (const std::string& text : model.endpoints) {
    if (const auto address = IpAddress::parse(text)) {
      servers.push_back({*address, port});
    } else if (const auto endpoint = read_host_port(text); endpoint && endpoint->name.empty()) {
      servers.push_back({endpoint->address, endpoint->port});
    }
  }
  return servers;
}

/// Of the lowest priority alone, without `.`: "decidedly not available" (RFC 2782). Where all weights are 0
/// they are 1.
std::vector<DnsSrv> offered(const std::vector<DnsRecord>& records) {
  std::vector<DnsSrv> all;
  for (const DnsRecord& record : records) {
    const auto& srv = std::get<DnsSrv>(record.data);
    if (srv.target != ".") all.push_back(srv);
  }
  if (all.empty()) return all;
  const uint16_t priority = std::ranges::min_element(all, {}, &DnsSrv::priority)->priority;
  std::erase_if(all, [&](const DnsSrv& srv) { return srv.priority != priority; });
  if (std::ranges::all_of(all, [](const DnsSrv& srv) { return srv.weight == 0; })) {
    for (DnsSrv& srv : all) srv.weight = 1;
  }
  std::ranges::sort(all);  // servers turn their records round
  return all;
}

class DnsSource : public Source, public NameResolver {
 public:
  DnsSource(const SourceModel& model, SourceContext context)
      : Source(context), model_(model), client_(context.io, servers_of(model), model.tls) {}

  void subscribe(SubscriptionId id, const DiscoverModel& wanted) override {
    auto subscription = std::make_shared<DnsSubscription>(sink(), id, wanted);
    subscriptions_.add(id, subscription);
    spawn(follow(std::move(subscription)));
  }
  void unsubscribe(SubscriptionId id) override { subscriptions_.end(id); }
  NameResolver* resolver() override { return this; }
  void resolve(const std::string& name, std::function<void(Answer)> answer) override {
    spawn(look_up(name, std::move(answer)));
  }

 private:
  awaitable<void> follow(std::shared_ptr<DnsSubscription> subscription);
  /// Answers for how long what it delivered holds.
  awaitable<milliseconds> refresh(DnsSubscription& subscription);
  awaitable<milliseconds> refresh_srv(DnsSubscription& subscription);
  awaitable<milliseconds> refresh_addresses(DnsSubscription& subscription);
  awaitable<void> refresh_targets(DnsSubscription& subscription);
  awaitable<void> refresh_target(DnsSubscription& subscription, std::string name);
  awaitable<void> look_up(std::string name, std::function<void(Answer)> answer);
  void report_failed(DnsSubscription& subscription);
  milliseconds kept_for(std::chrono::seconds ttl) const;

  const SourceModel model_;
  DnsClient client_;
  StopSignal never_;
  Subscriptions<DnsSubscription> subscriptions_;
};

/// As the record says, within `min_ttl` and `max_ttl`.
milliseconds DnsSource::kept_for(std::chrono::seconds ttl) const {
  return std::clamp<milliseconds>(std::min(ttl, std::chrono::seconds(86'400)), model_.min_ttl,
                                  std::max(model_.min_ttl, model_.max_ttl));
}

awaitable<void> DnsSource::follow(std::shared_ptr<DnsSubscription> subscription) {
  std::minstd_rand random{std::random_device{}()};
  while (!subscription->stop.is_stopped()) {
    std::string reason;
    milliseconds wait{0};
    try {
      wait = co_await refresh(*subscription);
    } catch (const PeerFault& fault) {
      reason = fault.what();
    }
    if (subscription->stop.is_stopped()) co_return;
    if (reason.empty()) {
      subscription->backoff.reset();
      // Up to a tenth sooner, so that many gateways do not ask at once.
      wait -= milliseconds(std::uniform_int_distribution<milliseconds::rep>(0, wait.count() / 10)(random));
    } else {
      subscription->delivery.lost(reason);
      wait = subscription->backoff.next();
    }
    co_await wait_for(io(), subscription->stop, wait);
  }
}

awaitable<milliseconds> DnsSource::refresh(DnsSubscription& subscription) {
  milliseconds wait{0};
  if (subscription.wanted.is_srv) {
    wait = co_await refresh_srv(subscription);
  } else {
    wait = co_await refresh_addresses(subscription);
  }
  // DNS has no watch: that it still answers is heard by asking.
  constexpr milliseconds kSoonest{100};
  co_return std::max(std::min(wait, model_.resync), kSoonest);
}

awaitable<milliseconds> DnsSource::refresh_srv(DnsSubscription& subscription) {
  const DnsFound found = co_await client_.lookup(subscription.wanted.name, DnsType::kSrv, subscription.stop);
  const auto services = offered(found.records);
  const auto is_named = [&](const std::string& name) {
    return std::ranges::any_of(services, [&](const DnsSrv& srv) { return srv.target == name; });
  };
  std::erase_if(subscription.targets, [&](const auto& target) { return !is_named(target.first); });
  for (const DnsSrv& srv : services) subscription.targets[srv.target];
  co_await refresh_targets(subscription);
  if (subscription.stop.is_stopped()) throw PeerFault("stopped");
  SnapshotBuilder builder;
  size_t unknown = 0;
  auto wait = kept_for(std::chrono::seconds(found.ttl));
  for (const DnsSrv& srv : services) {
    const Target& target = subscription.targets[srv.target];
    unknown += target.addresses.is_known ? 0 : 1;
    wait = std::min(wait, std::chrono::ceil<milliseconds>(target.expires - Clock::now()));
    if (srv.port == 0) {
      builder.leave_out(srv.target, "no port");
      continue;
    }
    for (const IpAddress& address : target.addresses.all()) {
      builder.add({.address = address, .name = {}, .port = srv.port, .weight = srv.weight});
    }
  }
  // Of targets that nobody could say anything of it is not known that they are nowhere.
  if (services.empty() || unknown < services.size()) subscription.delivery.put(builder.finish({}));
  report_failed(subscription);
  co_return wait;
}

awaitable<void> DnsSource::refresh_targets(DnsSubscription& subscription) {
  const auto now = Clock::now();
  TaskGroup group(io());
  for (const auto& [name, target] : subscription.targets) {
    if (target.expires <= now) group.spawn(refresh_target(subscription, name));
  }
  co_await group.wait();
}

awaitable<void> DnsSource::refresh_target(DnsSubscription& subscription, std::string name) {
  NamedAddresses addresses = subscription.targets[name].addresses;
  co_await client_.refresh(addresses, name, subscription.stop);
  Target& target = subscription.targets[name];
  target.addresses = std::move(addresses);
  target.expires = Clock::now() + kept_for(target.addresses.ttl);
}

awaitable<milliseconds> DnsSource::refresh_addresses(DnsSubscription& subscription) {
  const std::string name = canonical_dns_name(subscription.wanted.name);
  const auto port = parse_decimal(subscription.wanted.port);
  if (!port || *port < 1 || *port > 65535) throw PeerFault("`port` is not 1 to 65535");
  subscription.targets[name].expires = {};
  co_await refresh_targets(subscription);
  if (subscription.stop.is_stopped()) throw PeerFault("stopped");
  const NamedAddresses& addresses = subscription.targets[name].addresses;
  SnapshotBuilder builder;
  for (const IpAddress& address : addresses.all()) {
    builder.add({.address = address, .name = {}, .port = static_cast<uint16_t>(*port)});
  }
  if (addresses.is_known) {
    Snapshot snapshot = builder.finish({});
    std::ranges::sort(snapshot.instances, {}, &Instance::address);
    subscription.delivery.put(std::move(snapshot));
  }
  report_failed(subscription);
  co_return kept_for(addresses.ttl);
}

/// Throws where a name could not be asked for: what was delivered has its last addresses.
void DnsSource::report_failed(DnsSubscription& subscription) {
  std::string reasons;
  size_t failed = 0;
  for (auto& [name, target] : subscription.targets) {
    if (target.addresses.error.empty()) continue;
    target.expires = {};  // the backoff says when
    if (++failed == 1) reasons = name + ": " + target.addresses.error;
  }
  if (failed > 1) reasons += ", and " + std::to_string(failed - 1) + " more names";
  if (failed > 0) throw PeerFault(reasons);
}

awaitable<void> DnsSource::look_up(std::string name, std::function<void(Answer)> answer) {
  const NamedAddresses found = co_await client_.addresses_of(std::move(name), never_);
  Answer told;
  told.is_authoritative = found.is_known;
  told.addresses = found.all();
  told.ttl = kept_for(found.ttl);
  told.error = found.error;
  answer(std::move(told));
}

}  // namespace

std::shared_ptr<Source> make_dns_source(const SourceModel& model, SourceContext context) {
  return std::make_shared<DnsSource>(model, context);
}

}  // namespace sluice::ctrl
