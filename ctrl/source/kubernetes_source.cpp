#include "ctrl/source/kubernetes_source.h"

#include <cstdlib>
#include <map>
#include <random>

#include "common/decimal.h"
#include "ctrl/source/entry.h"
#include "ctrl/source/http_servers.h"
#include "ctrl/source/list_watch.h"
#include "ctrl/source/secret_file.h"
#include "ctrl/source/subscriptions.h"
#include "ctrl/source/turns.h"
#include "ctrl/wire/bounded_json.h"
#include "ctrl/wire/kubernetes_message.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;

constexpr auto kKubernetesPatience = 8s;  // silence is to be noticed within resync and 10 s
constexpr auto kMostWholeListTime = 60s;
constexpr size_t kPageSlices = 250;
constexpr size_t kMostPageBytes = size_t{32} << 20;
constexpr size_t kMostErrorBytes = 65536;
constexpr size_t kMostKubernetesListsAtOnce = 16;
constexpr int kMostPageAttempts = 3;
constexpr int kMostShortWatches = 3;  // in a row: what ends at once is no watch
constexpr unsigned kHttpGone = 410;
constexpr UrlDefaults kKubernetesPorts{.port = 80, .tls_port = 443};
constexpr const char* kPodDirectory = "/var/run/secrets/kubernetes.io/serviceaccount/";

/// The history that a watch or a list's continuation needs is gone: list anew.
class HistoryGone : public PeerFault {
 public:
  HistoryGone() : PeerFault("the API server has forgotten this version") {}
};

/// Where a source leaves out its endpoints it means the cluster of the pod that it runs in.
SourceModel in_pod(SourceModel model) {
  if (!model.endpoints.empty()) return model;
  const char* const host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* const port = std::getenv("KUBERNETES_SERVICE_PORT");
  if (host == nullptr) return model;
  const std::string name =
      std::string(host).find(':') != std::string::npos ? '[' + std::string(host) + ']' : host;
  model.endpoints.push_back("https://" + name + ':' + (port != nullptr ? port : "443"));
  if (model.token_file.empty()) model.token_file = std::string(kPodDirectory) + "token";
  if (model.tls.ca.empty()) model.tls.ca = std::string(kPodDirectory) + "ca.crt";
  return model;
}

/// The port that `wanted` (a name, a number, or empty) means in a slice.
Result<uint16_t> port_in(const EndpointSlice& slice, const std::string& wanted) {
  const auto number = parse_decimal(wanted);
  if (slice.ports.empty() && number) return static_cast<uint16_t>(*number);  // every port
  const SlicePort* found = nullptr;
  for (const SlicePort& port : slice.ports) {
    const bool is_meant = wanted.empty() || (number ? port.number.value_or(static_cast<int64_t>(*number)) ==
                                                          static_cast<int64_t>(*number)
                                                    : port.name == wanted);
    if (!is_meant) continue;
    if (found != nullptr) return fail("it has several ports, and port names none");
    found = &port;
  }
  if (found == nullptr) return fail(wanted.empty() ? "it has no port" : "it has no port " + wanted);
  if (!found->number) {
    if (number) return static_cast<uint16_t>(*number);
    return fail("its port has no number");
  }
  if (*found->number < 1 || *found->number > 65535) return fail("its port is not 1 to 65535");
  return static_cast<uint16_t>(*found->number);
}

ListedEntry entry_of(const EndpointSlice& slice, const std::string& wanted_port) {
  ListedEntry entry;
  if (slice.endpoints.empty()) return entry;
  const auto port = port_in(slice, wanted_port);
  if (!port) {
    entry.unreadable.push_back(unreadable_entry(slice.name, port.error().message));
    return entry;
  }
  for (const SliceEndpoint& endpoint : slice.endpoints) {
    const bool drains = !endpoint.ready && endpoint.serving && endpoint.terminating;
    if (!endpoint.ready && !drains) continue;
    Instance instance;
    instance.port = *port;
    instance.takes_new_flows = endpoint.ready;
    if (auto read = read_host(endpoint.address, instance); read) {
      entry.instances.push_back(std::move(instance));
    } else {
      entry.unreadable.push_back(unreadable_entry(slice.name + '/' + endpoint.address, read.error().message));
    }
  }
  return entry;
}

/// The API servers of one source.
class KubernetesClient {
 public:
  KubernetesClient(asio::io_context& io, const SourceModel& model)
      : lists(io, kMostKubernetesListsAtOnce),
        token_file_(model.token_file),
        servers_(io, model, kKubernetesPorts) {}

  awaitable<std::unique_ptr<HttpExchange>> get(std::string target, StopSignal& stop);
  Turns lists;

 private:
  std::string token_file_;
  HttpServers servers_;
};

awaitable<std::unique_ptr<HttpExchange>> KubernetesClient::get(std::string target, StopSignal& stop) {
  HttpRequest request{.target = std::move(target)};
  std::optional<crypto::SecretText> token;
  if (!token_file_.empty()) {
    const crypto::SecretText secret =
        read_secret(token_file_, token_file_.starts_with(kPodDirectory));  // replaced every hour or so
    std::string text;
    text.reserve(16 + secret.reveal().size());
    text += "Bearer ";
    text += secret.reveal();
    token.emplace(std::move(text));
    request.secret_field = "Authorization";
    request.secret = token->reveal();
  }
  auto exchange = co_await servers_.ask(request, kKubernetesPatience, stop);
  if (exchange->status() == 200) co_return exchange;
  if (exchange->status() == kHttpGone) throw HistoryGone();
  const std::string body = co_await exchange->read_rest(kMostErrorBytes, kKubernetesPatience);
  const std::string message = read_kubernetes_status(body);
  servers_.turn_away();
  throw PeerFault("HTTP status " + std::to_string(exchange->status()) +
                  (message.empty() ? "" : ": " + message));
}

class KubernetesSubscription : public ListWatch {
 public:
  KubernetesSubscription(SourceContext context, SubscriptionId id, const SourceModel& model,
                         const DiscoverModel& wanted, std::shared_ptr<KubernetesClient> client)
      : ListWatch(context, id, model.resync), wanted_(wanted), client_(std::move(client)) {}

 protected:
  awaitable<Listing> list(bool to_watch, StopSignal& stop) override;
  awaitable<void> watch(StopSignal& stop) override;

 private:
  std::string target() const;
  awaitable<Listing> list_once(StopSignal& stop);
  awaitable<void> watch_once(StopSignal& stop);
  /// False: a new list is needed.
  bool take_event(const SliceEvent& event);

  const DiscoverModel wanted_;
  std::shared_ptr<KubernetesClient> client_;
  std::string version_;  ///< from which the watch goes on
};

std::string KubernetesSubscription::target() const {
  const std::string name_space = wanted_.name_space.empty() ? "default" : wanted_.name_space;
  return "/apis/discovery.k8s.io/v1/namespaces/" + percent_encoded(name_space) +
         "/endpointslices?labelSelector=" + percent_encoded("kubernetes.io/service-name=" + wanted_.service);
}

awaitable<Listing> KubernetesSubscription::list(bool to_watch, StopSignal& stop) {
  const Turns::Turn turn = co_await client_->lists.take(stop);
  for (int attempt = 1; attempt <= kMostPageAttempts; ++attempt) {
    try {
      Listing listing = co_await list_once(stop);
      if (to_watch) version_ = listing.version;
      co_return listing;
    } catch (const HistoryGone&) {
      // The list took longer than its version was kept: a new one begins.
    }
  }
  throw HistoryGone();
}

awaitable<Listing> KubernetesSubscription::list_once(StopSignal& stop) {
  const auto begun = std::chrono::steady_clock::now();
  Listing listing;
  std::string next;
  do {
    const std::string page_target = target() + "&limit=" + std::to_string(kPageSlices) +
                                    (next.empty() ? "" : "&continue=" + percent_encoded(next));
    auto exchange = co_await client_->get(page_target, stop);
    const std::string body = co_await exchange->read_rest(kMostPageBytes, kKubernetesPatience);
    const auto page = read_slice_page(body);
    if (!page) throw PeerFault("a list cannot be read: " + page.error().message);
    for (const EndpointSlice& slice : page->slices) {
      if (slice.service == wanted_.service) listing.add(slice.name, entry_of(slice, wanted_.port));
    }
    listing.version = page->version;
    next = page->next;
    if (std::chrono::steady_clock::now() - begun > kMostWholeListTime)
      throw PeerFault("listing takes too long");
  } while (!next.empty());
  co_return listing;
}

/// An API server ends every watch after a while; the next one goes on where it was.
awaitable<void> KubernetesSubscription::watch(StopSignal& stop) {
  try {
    for (int short_ones = 0; !stop.is_stopped();) {
      const auto begun = std::chrono::steady_clock::now();
      co_await watch_once(stop);
      short_ones = std::chrono::steady_clock::now() - begun < 1s ? short_ones + 1 : 0;
      if (short_ones == kMostShortWatches) throw PeerFault("the API server ends watches at once");
    }
  } catch (const HistoryGone&) {
    // A list is all that it takes.
  }
}

awaitable<void> KubernetesSubscription::watch_once(StopSignal& stop) {
  std::minstd_rand random{std::random_device{}()};
  const int seconds = std::uniform_int_distribution<int>(300, 600)(random);
  auto exchange = co_await client_->get(
      target() + "&watch=1&allowWatchBookmarks=true&resourceVersion=" + percent_encoded(version_) +
          "&timeoutSeconds=" + std::to_string(seconds),
      stop);
  LineSplitter lines;
  for (;;) {
    const std::string piece = co_await exchange->read_some(std::chrono::seconds(seconds + 60));
    if (piece.empty() && lines.has_part()) throw PeerFault("the API server has cut a watch");
    if (piece.empty()) co_return;
    lines.put(piece);
    while (const auto line = lines.next()) {
      const auto event = read_slice_event(*line);
      if (!event) throw PeerFault("a line of the watch cannot be read: " + event.error().message);
      if (!take_event(*event)) throw HistoryGone();
    }
    if (lines.is_too_long()) throw PeerFault("a line of the watch is too long");
  }
}

bool KubernetesSubscription::take_event(const SliceEvent& event) {
  const EndpointSlice& slice = event.slice;
  switch (event.kind) {
    case SliceEvent::Kind::kGone:
      return false;
    case SliceEvent::Kind::kError:
      throw PeerFault("the API server has ended the watch: " + event.reason);
    case SliceEvent::Kind::kBookmark:
      if (!slice.version.empty()) version_ = slice.version;
      confirm();
      return true;
    case SliceEvent::Kind::kDelete:
      remove(slice.name);
      break;
    case SliceEvent::Kind::kPut:
      // A slice may be given to another service by its label.
      if (slice.service == wanted_.service) {
        put(slice.name, entry_of(slice, wanted_.port));
      } else {
        remove(slice.name);
      }
      break;
  }
  if (!slice.version.empty()) version_ = slice.version;
  changed(version_);
  return true;
}

class KubernetesSource : public Source {
 public:
  KubernetesSource(const SourceModel& model, SourceContext context)
      : Source(context),
        model_(in_pod(model)),
        client_(std::make_shared<KubernetesClient>(context.io, model_)) {}

  void subscribe(SubscriptionId id, const DiscoverModel& wanted) override {
    const SourceContext context{io(), sink()};
    auto subscription = std::make_shared<KubernetesSubscription>(context, id, model_, wanted, client_);
    subscriptions_.add(id, subscription);
    subscription->start(shared_from_this());
  }
  void unsubscribe(SubscriptionId id) override { subscriptions_.end(id); }

 private:
  const SourceModel model_;
  std::shared_ptr<KubernetesClient> client_;
  Subscriptions<ListWatch> subscriptions_;
};

}  // namespace

std::shared_ptr<Source> make_kubernetes_source(const SourceModel& model, SourceContext context) {
  return std::make_shared<KubernetesSource>(model, context);
}

}  // namespace sluice::ctrl
