#include "ctrl/source/etcd_source.h"

#include <map>

#include "ctrl/source/entry.h"
#include "ctrl/source/etcd_client.h"
#include "ctrl/source/list_watch.h"
#include "ctrl/source/registry_value.h"
#include "ctrl/source/subscriptions.h"
#include "ctrl/wire/bounded_json.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;

constexpr size_t kPageEntries = 1000;
constexpr size_t kMostListsAtOnce = 16;
constexpr int kMostListAttempts = 3;
constexpr auto kMostListTime = 60s;
constexpr auto kForever = std::chrono::hours(24 * 365);  // whether etcd still answers is seen by resync

ListedEntry entry_of(const EtcdKeyValue& entry) {
  auto instance = read_etcd_value(entry.value);
  if (!instance) return {{}, {unreadable_entry(entry.key, instance.error().message)}};
  return {{std::move(*instance)}, {}};
}

class EtcdSubscription : public ListWatch {
 public:
  EtcdSubscription(SourceContext context, SubscriptionId id, const SourceModel& model, std::string prefix,
                   EtcdClient& client, Turns& lists)
      : ListWatch(context, id, model.resync), prefix_(std::move(prefix)), client_(client), lists_(lists) {}

 protected:
  awaitable<Listing> list(bool to_watch, StopSignal& stop) override;
  awaitable<void> watch(StopSignal& stop) override;

 private:
  awaitable<Listing> list_once(bool to_watch, StopSignal& stop);
  /// False: the watch is over, and a new list is needed.
  bool take_line(const std::string& line, bool& is_created);

  const std::string prefix_;
  EtcdClient& client_;
  Turns& lists_;
  int64_t revision_ = 0;  ///< of the list that the next watch goes on from
};

awaitable<Listing> EtcdSubscription::list(bool to_watch, StopSignal& stop) {
  const Turns::Turn turn = co_await lists_.take(stop);
  for (int attempt = 1;; ++attempt) {
    try {
      Listing listing = co_await list_once(to_watch, stop);
      co_return listing;
    } catch (const EtcdRefusal& refusal) {
      // Compacted between two pages: a new list begins.
      if (refusal.code() != EtcdError::kOutOfRange || attempt == kMostListAttempts) throw;
    }
  }
}

awaitable<Listing> EtcdSubscription::list_once(bool to_watch, StopSignal& stop) {
  const auto begun = std::chrono::steady_clock::now();
  Listing listing;
  std::string after;
  int64_t revision = 0;
  for (;;) {
    // All pages are of the revision of the first: what changes meanwhile is the watch's.
    const EtcdPage page =
        co_await client_.range(etcd_range_request(prefix_, after, revision, kPageEntries), stop);
    if (revision == 0) revision = page.revision;
    for (const EtcdKeyValue& entry : page.entries) {
      if (!entry.key.starts_with(prefix_) || (!after.empty() && entry.key <= after)) {
        throw PeerFault("it lists keys that were not asked for");
      }
      after = entry.key;
      if (entry.key != prefix_) listing.add(entry.key, entry_of(entry));
    }
    if (!page.has_more) break;
    if (std::chrono::steady_clock::now() - begun > kMostListTime) throw PeerFault("listing takes too long");
  }
  listing.version = std::to_string(revision);
  if (to_watch) revision_ = revision;
  co_return listing;
}

awaitable<void> EtcdSubscription::watch(StopSignal& stop) {
  auto exchange = co_await client_.post("/v3/watch", etcd_watch_request(prefix_, revision_ + 1), stop);
  LineSplitter lines;
  bool is_created = false;
  for (;;) {
    const std::string piece = co_await exchange->read_some(kForever);
    if (piece.empty()) throw PeerFault("etcd has ended the watch");
    lines.put(piece);
    while (const auto line = lines.next()) {
      if (!take_line(*line, is_created)) co_return;
    }
    if (lines.is_too_long()) throw PeerFault("a line of the watch is too long");
  }
}

bool EtcdSubscription::take_line(const std::string& line, bool& is_created) {
  const auto word = read_etcd_watch_line(line);
  if (!word) throw PeerFault("a line of the watch cannot be read: " + word.error().message);
  if (word->is_error) throw PeerFault("etcd has ended the watch: " + word->reason);
  if (word->is_cancelled && word->compact_revision != 0) return false;
  if (word->is_cancelled) throw PeerFault("etcd has cancelled the watch: " + word->reason);
  if (!is_created && !word->is_created) throw PeerFault("the watch does not begin as one");
  is_created = true;
  for (const EtcdEvent& event : word->events) {
    const std::string& key = event.entry.key;
    if (key == prefix_ || !key.starts_with(prefix_)) continue;
    if (event.is_deleted) {
      remove(key);
    } else {
      put(key, entry_of(event.entry));
    }
  }
  if (word->events.empty()) {
    confirm();
  } else {
    changed(std::to_string(word->revision.value_or(0)));
  }
  return true;
}

class EtcdSource : public Source {
 public:
  EtcdSource(const SourceModel& model, SourceContext context)
      : Source(context), model_(model), client_(context.io, model), lists_(context.io, kMostListsAtOnce) {}

  void subscribe(SubscriptionId id, const DiscoverModel& wanted) override {
    const SourceContext context{io(), sink()};
    auto subscription =
        std::make_shared<EtcdSubscription>(context, id, model_, wanted.prefix, client_, lists_);
    subscriptions_.add(id, subscription);
    subscription->start(shared_from_this());
  }
  void unsubscribe(SubscriptionId id) override { subscriptions_.end(id); }

 private:
  const SourceModel model_;
  EtcdClient client_;
  Turns lists_;
  Subscriptions<ListWatch> subscriptions_;
};

}  // namespace

std::shared_ptr<Source> make_etcd_source(const SourceModel& model, SourceContext context) {
  return std::make_shared<EtcdSource>(model, context);
}

}  // namespace sluice::ctrl
