#include "ctrl/source/xds_source.h"

#include <algorithm>
#include <map>
#include <utility>

#include "ctrl/net/faults.h"
#include "ctrl/net/grpc_stream.h"
#include "ctrl/source/ads_state.h"
#include "ctrl/source/delivery.h"
#include "ctrl/source/entry.h"
#include "ctrl/source/servers.h"
#include "ctrl/source/xds_shares.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

constexpr auto kXdsPatience = 8s;  // for the first answer of a stream
constexpr auto kForEver = 24h * 365;
constexpr auto kMostStreamLag =
    5s;  // of the stream behind a list, before what it has not told counts as missed
constexpr auto kStreamLagStep = 250ms;
constexpr UrlDefaults kXdsPorts{.port = 80, .tls_port = 443};
constexpr const char* kStateOfTheWorld =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources";
constexpr const char* kIncremental =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources";

struct ClusterSubscription {
  ClusterSubscription(SourceSink& sink, SubscriptionId id, std::string name)
      : delivery(sink, id), cluster(std::move(name)) {}
  Delivery delivery;
  const std::string cluster;
};

Snapshot snapshot_of(const std::map<std::string, XdsListener>& listeners, std::string version) {
  SnapshotBuilder builder;
  for (const auto& [name, listener] : listeners) {
    if (!listener.objection.empty()) {
      builder.leave_out("listener " + name, listener.objection);
      continue;
    }
    OfferedService service{.name = name, .address = listener.address, .port = listener.port, .targets = {}};
    for (const XdsListener::Target& target : listener.targets) {
      service.targets.push_back({target.cluster, target.weight});
    }
    builder.offer(std::move(service));
  }
  return builder.finish(std::move(version));
}

Snapshot snapshot_of(const AdsState::Known& known) {
  SnapshotBuilder builder;
  if (known.assignment != nullptr) {
    for (Instance& instance : instances_of(*known.assignment)) builder.add(std::move(instance));
  }
  return builder.finish(known.version);
}

bool is_same(const std::optional<AdsState::Known>& a, const std::optional<AdsState::Known>& b) {
  if (!a || !b || a->assignment == nullptr || b->assignment == nullptr) {
    return a.has_value() == b.has_value() && (!a || a->assignment == b->assignment);
  }
  return a->assignment->localities == b->assignment->localities &&
         a->assignment->overprovisioning == b->assignment->overprovisioning;
}

class XdsSource : public Source {
 public:
  XdsSource(const SourceModel& model, SourceContext context)
      : Source(context), model_(model), servers_(context.io, model, kXdsPorts, "h2"), state_(fresh_state()) {}

  void subscribe(SubscriptionId id, const DiscoverModel& wanted) override {
    const auto& subscription =
        *subscriptions_.emplace(id, ClusterSubscription(sink(), id, wanted.cluster)).first;
    send(state_.want(wanted.cluster));
    tell(subscription.second.cluster);
    start();
  }
  void subscribe_services(SubscriptionId id) override {
    services_.emplace(id, Delivery(sink(), id));
    send(state_.want_listeners());
    tell_services();
    start();
  }
  void unsubscribe(SubscriptionId id) override {
    if (services_.erase(id) > 0 && services_.empty()) state_.forget_listeners();
    const auto found = subscriptions_.find(id);
    if (found == subscriptions_.end()) return;
    const std::string cluster = found->second.cluster;
    subscriptions_.erase(found);
    const bool is_wanted = std::ranges::any_of(
        subscriptions_, [&](const auto& entry) { return entry.second.cluster == cluster; });
    if (!is_wanted) send(state_.forget(cluster));
  }

 private:
  void start() {
    if (std::exchange(is_running_, true)) return;
    spawn(run());
    spawn(resync());
  }
  AdsState fresh_state() const { return AdsState({model_.node_id, model_.node_cluster}, model_.delta); }
  awaitable<std::shared_ptr<GrpcStream>> connect();
  awaitable<void> run();
  awaitable<void> follow();
  awaitable<void> resync();
  awaitable<void> compare(std::shared_ptr<GrpcStream> stream);
  awaitable<void> list(AdsState& state);
  size_t differing(const AdsState& listed) const;
  void send(const std::vector<std::string>& messages) {
    if (stream_ == nullptr) return;
    for (const std::string& message : messages) stream_->send(message);
  }
  /// What is known of a cluster, to those who want it; of all where it is empty.
  void tell(const std::string& cluster = {}, size_t repaired = 0);
  /// The same of listeners.
  void tell_services(size_t repaired = 0);
  void lost(const std::string& reason) {
    for (auto& [id, subscription] : subscriptions_) subscription.delivery.lost(reason);
    for (auto& [id, delivery] : services_) delivery.lost(reason);
  }

  const SourceModel model_;
  Servers servers_;
  AdsState state_;
  StopSignal never_;  ///< for waiting: this source ends with its io_context
  Backoff backoff_;
  std::map<SubscriptionId, ClusterSubscription> subscriptions_;
  std::map<SubscriptionId, Delivery> services_;  ///< who wants listeners
  bool is_running_ = false;
  bool must_list_ = false;              ///< an incremental server has not answered to what is known
  std::shared_ptr<GrpcStream> stream_;  ///< null: none is open
  uint64_t responses_ = 0;              ///< that were taken
  std::string fault_;                   ///< why resync has ended the stream
};

awaitable<std::shared_ptr<GrpcStream>> XdsSource::connect() {
  const auto link = std::make_shared<Http2Link>();
  Servers::Connected connected = co_await servers_.connect(link->stop);
  connected.stream->expires_after(kForEver);
  link->stream = std::move(connected.stream);
  co_return GrpcStream::begin(io(), link,
                              {.path = model_.delta ? kIncremental : kStateOfTheWorld,
                               .authority = connected.url.authority(),
                               .is_tls = connected.url.is_tls});
}

awaitable<void> XdsSource::run() {
  for (;;) {
    std::string reason = "the control plane has ended the stream";
    try {
      co_await follow();
    } catch (const std::exception& error) {
      reason = error.what();
    }
    if (stream_ != nullptr) stream_->stop();
    stream_ = nullptr;
    if (!fault_.empty()) reason = std::exchange(fault_, {});
    servers_.turn_away();
    lost(reason);
    co_await wait_for(io(), never_, backoff_.next());
  }
}

awaitable<void> XdsSource::follow() {
  const bool is_fresh = std::exchange(must_list_, true);
  const auto stream = co_await connect();
  stream_ = stream;
  send(state_.open(is_fresh));
  for (bool is_first = true;; is_first = false) {
    const std::string message = co_await stream->next(
        is_first ? std::optional<std::chrono::milliseconds>(kXdsPatience) : std::nullopt);
    const AdsState::Taken taken = state_.take(message);
    send(taken.replies);
    if (!taken.refusal.empty()) {
      lost("refused: " + taken.refusal);
      continue;
    }
    must_list_ = false;
    ++responses_;
    backoff_.reset();
    tell();
    tell_services();
  }
}

void XdsSource::tell_services(size_t repaired) {
  const auto* const listeners = state_.listeners();
  if (listeners == nullptr) return;
  for (auto& [id, delivery] : services_) {
    try {
      Snapshot snapshot = snapshot_of(*listeners, state_.listeners_version());
      snapshot.repaired = std::exchange(repaired, 0);
      delivery.put(std::move(snapshot));
    } catch (const PeerFault& fault) {
      delivery.lost(fault.what());
    }
  }
}

void XdsSource::tell(const std::string& cluster, size_t repaired) {
  for (auto& [id, subscription] : subscriptions_) {
    if (!cluster.empty() && subscription.cluster != cluster) continue;
    const auto known = state_.of(subscription.cluster);
    if (!known) continue;
    try {
      Snapshot snapshot = snapshot_of(*known);
      snapshot.repaired = std::exchange(repaired, 0);
      subscription.delivery.put(std::move(snapshot));
    } catch (const PeerFault& fault) {
      subscription.delivery.lost(fault.what());
    }
  }
}

awaitable<void> XdsSource::resync() {
  for (;;) {
    co_await wait_for(io(), never_, model_.resync);
    const auto stream = stream_;
    if (stream == nullptr) continue;
    std::string reason;
    try {
      co_await compare(stream);
    } catch (const std::exception& error) {
      reason = error.what();
    }
    if (reason.empty() || stream_ != stream) continue;
    fault_ = std::move(reason);
    stream->stop();
  }
}

/// A list beside the stream shows whether the control plane still answers, and what the stream has missed.
awaitable<void> XdsSource::compare(std::shared_ptr<GrpcStream> stream) {
  const uint64_t before = responses_;
  AdsState listed = fresh_state();
  co_await list(listed);
  const auto until = Clock::now() + kMostStreamLag;
  while (differing(listed) > 0 && responses_ == before && stream_ == stream && Clock::now() < until) {
    co_await wait_for(io(), never_, kStreamLagStep);
  }
  if (stream_ != stream) co_return;
  if (responses_ != before ||
      differing(listed) == 0) {  // what the stream has told since is newer than the list
    tell();
    tell_services();
    co_return;
  }
  const size_t repaired = differing(listed);
  state_ = std::move(listed);
  // Counted once, with whoever is told first.
  tell({}, repaired);
  tell_services(subscriptions_.empty() ? repaired : 0);
  fault_ = "the stream has missed changes";
  must_list_ = true;
  stream->stop();
}

/// Until all that is wanted is known.
awaitable<void> XdsSource::list(AdsState& state) {
  std::vector<std::string> ignored;
  for (const auto& [id, subscription] : subscriptions_) ignored = state.want(subscription.cluster);
  if (!services_.empty()) ignored = state.want_listeners();
  const auto stream = co_await connect();
  const struct Stopping {
    GrpcStream& stream;
    ~Stopping() { stream.stop(); }
  } stopping{*stream};
  for (const std::string& message : state.open(true)) stream->send(message);
  const auto until = Clock::now() + kXdsPatience;
  const auto is_known = [&](const auto& entry) {
    // What the stream does not know either is not waited for.
    return state.of(entry.second.cluster) || !state_.of(entry.second.cluster);
  };
  const auto knows_listeners = [&] {
    return services_.empty() || state.listeners() != nullptr || state_.listeners() == nullptr;
  };
  bool has_answered = false;
  while (!has_answered || !std::ranges::all_of(subscriptions_, is_known) || !knows_listeners()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now());
    const std::string message = co_await stream->next(std::max(left, 0ms));
    const AdsState::Taken taken = state.take(message);
    if (!taken.refusal.empty()) throw PeerFault("refused: " + taken.refusal);
    for (const std::string& reply : taken.replies) stream->send(reply);
    has_answered = true;
  }
}

size_t XdsSource::differing(const AdsState& listed) const {
  const auto clusters = std::ranges::count_if(subscriptions_, [&](const auto& entry) {
    const auto there = listed.of(entry.second.cluster);
    return there && !is_same(there, state_.of(entry.second.cluster));
  });
  const auto *const there = listed.listeners(), *const here = state_.listeners();
  const bool are_other_listeners =
      !services_.empty() && there != nullptr && (here == nullptr || *here != *there);
  return static_cast<size_t>(clusters) + (are_other_listeners ? 1 : 0);
}

}  // namespace

std::shared_ptr<Source> make_xds_source(const SourceModel& model, SourceContext context) {
  return std::make_shared<XdsSource>(model, context);
}

}  // namespace sluice::ctrl
