#include "ctrl/source/consul_source.h"

#include <algorithm>
#include <map>
#include <optional>

#include "ctrl/source/delivery.h"
#include "ctrl/source/entry.h"
#include "ctrl/source/http_servers.h"
#include "ctrl/source/secret_file.h"
#include "ctrl/source/subscriptions.h"
#include "ctrl/source/turns.h"
#include "ctrl/wire/consul_message.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

constexpr auto kConsulPatience = 8s;
constexpr auto kLongestWait = 600s;  // Consul's own limit
constexpr auto kLeastPause = 100ms;  // changes elsewhere may wake a query again and again
constexpr size_t kMostBodyBytes = size_t{32} << 20;
constexpr size_t kMostQuickQueries = 16;
constexpr UrlDefaults kConsulPorts{.port = 8500, .tls_port = 8501};

struct ConsulSubscription {
  ConsulSubscription(SourceSink& sink, SubscriptionId id, const DiscoverModel& what)
      : delivery(sink, id), wanted(what) {}
  Delivery delivery;
  DiscoverModel wanted;
  StopSignal stop;
  void end() { stop.stop(); }
  Backoff backoff;
  uint64_t index = 0;  ///< 0: the next answer is to come at once
};

/// Nothing: it does not serve, and is no fault.
Result<std::optional<Instance>> instance_of(const ConsulInstance& entry) {
  if (entry.state == ConsulState::kCritical) return std::optional<Instance>();
  Instance instance;
  if (auto read = read_host(entry.address, instance); !read) return tl::unexpected(read.error());
  if (!entry.port || *entry.port == 0) return fail("no port");
  if (*entry.port < 1 || *entry.port > 65535) return fail("its port is not 1 to 65535");
  instance.port = static_cast<uint16_t>(*entry.port);
  const auto& weight = entry.state == ConsulState::kPassing ? entry.passing_weight : entry.warning_weight;
  if (weight && (*weight < 0 || *weight > 65535)) return fail("its weight is not 0 to 65535");
  instance.weight = static_cast<uint32_t>(weight.value_or(1));
  return instance;
}

Snapshot snapshot_of(const std::vector<ConsulInstance>& entries, uint64_t index) {
  SnapshotBuilder builder;
  for (const ConsulInstance& entry : entries) {
    auto instance = instance_of(entry);
    if (!instance) {
      builder.leave_out(entry.id, instance.error().message);
    } else if (*instance) {
      builder.add(std::move(**instance));
    }
  }
  Snapshot snapshot = builder.finish(std::to_string(index));
  // Consul sorts by nothing.
  std::ranges::sort(snapshot.instances, {}, [](const Instance& instance) {
    return std::tie(instance.address, instance.name, instance.port);
  });
  return snapshot;
}

class ConsulSource : public Source {
 public:
  ConsulSource(const SourceModel& model, SourceContext context)
      : Source(context),
        model_(model),
        servers_(context.io, model, kConsulPorts),
        quick_(context.io, kMostQuickQueries) {}

  void subscribe(SubscriptionId id, const DiscoverModel& wanted) override {
    auto subscription = std::make_shared<ConsulSubscription>(sink(), id, wanted);
    subscriptions_.add(id, subscription);
    spawn(follow(std::move(subscription)));
  }
  void unsubscribe(SubscriptionId id) override { subscriptions_.end(id); }

 private:
  awaitable<void> follow(std::shared_ptr<ConsulSubscription> subscription);
  awaitable<void> query(ConsulSubscription& subscription);
  std::string target_of(const ConsulSubscription& subscription) const;
  milliseconds wait_time() const;

  const SourceModel model_;
  HttpServers servers_;
  Turns quick_;  ///< for queries that do not block
  Subscriptions<ConsulSubscription> subscriptions_;
};

awaitable<void> ConsulSource::follow(std::shared_ptr<ConsulSubscription> subscription) {
  while (!subscription->stop.is_stopped()) {
    std::string reason;
    try {
      co_await query(*subscription);
    } catch (const std::exception& error) {
      reason = error.what();
    }
    if (subscription->stop.is_stopped()) co_return;
    milliseconds pause = kLeastPause;
    if (!reason.empty()) {
      subscription->delivery.lost(reason);
      subscription->index = 0;  // of another server it would mean nothing
      pause = subscription->backoff.next();
    }
    co_await wait_for(io(), subscription->stop, pause);
  }
}

/// Consul adds up to a sixteenth of it by chance, and then has still answered within `resync`.
milliseconds ConsulSource::wait_time() const {
  return std::clamp<milliseconds>(model_.resync * 15 / 17, 1s, kLongestWait);
}

std::string ConsulSource::target_of(const ConsulSubscription& subscription) const {
  std::string target = "/v1/health/service/" + percent_encoded(subscription.wanted.service) + "?";
  if (!model_.datacenter.empty()) target += "dc=" + percent_encoded(model_.datacenter) + '&';
  if (!subscription.wanted.tag.empty()) target += "tag=" + percent_encoded(subscription.wanted.tag) + '&';
  if (subscription.index != 0) {
    target += "index=" + std::to_string(subscription.index) + "&wait=" + std::to_string(wait_time().count()) +
              "ms&";
  }
  target.pop_back();
  return target;
}

awaitable<void> ConsulSource::query(ConsulSubscription& subscription) {
  std::optional<Turns::Turn> turn;
  if (subscription.index == 0) {
    Turns::Turn taken = co_await quick_.take(subscription.stop);
    turn.emplace(std::move(taken));
  }
  HttpRequest request{.target = target_of(subscription)};
  std::optional<crypto::SecretText> token;
  if (!model_.token_file.empty()) {
    token.emplace(read_secret(model_.token_file));
    request.secret_field = "X-Consul-Token";
    request.secret = token->reveal();
  }
  const milliseconds blocked = subscription.index == 0 ? 0ms : wait_time() * 17 / 16;
  auto exchange = co_await servers_.ask(request, blocked + kConsulPatience, subscription.stop);
  if (exchange->status() != 200) {
    servers_.turn_away();
    throw PeerFault("HTTP status " + std::to_string(exchange->status()));
  }
  // An agent without a leader answers from what it happens to remember.
  if (exchange->field("x-consul-knownleader") == "false") {
    servers_.turn_away();
    throw PeerFault("Consul has no leader");
  }
  const std::string body = co_await exchange->read_rest(kMostBodyBytes, kConsulPatience);
  const auto entries = read_consul_health(body);
  if (!entries) throw PeerFault("its answer cannot be read: " + entries.error().message);
  subscription.index = next_consul_index(subscription.index, exchange->field("x-consul-index"));
  subscription.backoff.reset();
  subscription.delivery.put(snapshot_of(*entries, subscription.index));
}

}  // namespace

std::shared_ptr<Source> make_consul_source(const SourceModel& model, SourceContext context) {
  return std::make_shared<ConsulSource>(model, context);
}

}  // namespace sluice::ctrl
