#include "ctrl/source/zookeeper_source.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>

#include "ctrl/net/task_group.h"
#include "ctrl/source/entry.h"
#include "ctrl/source/list_watch.h"
#include "ctrl/source/registry_value.h"
#include "ctrl/source/subscriptions.h"
#include "ctrl/source/zookeeper_session.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;

constexpr size_t kReadsAtOnce = 64;  // of one subscription
constexpr size_t kMostEvents = 2 * kMostInstances;

using Names = std::set<std::string>;

class ZookeeperSubscription : public ListWatch, public ZookeeperListener {
 public:
  ZookeeperSubscription(SourceContext context, SubscriptionId id, const SourceModel& model, std::string path,
                        std::shared_ptr<ZookeeperSession> session)
      : ListWatch(context, id, model.resync), path_(std::move(path)), session_(std::move(session)) {
    while (path_.size() > 1 && path_.ends_with('/')) path_.pop_back();
    session_->listen(path_, *this);
  }
  void end() {
    session_->end_listening(path_, *this);
    ListWatch::end();
  }

  void take_event(const ZookeeperEvent& event) override;
  void take_pong() override {
    if (is_watching_) confirm();
  }
  void take_loss(const std::string& reason) override;

 protected:
  awaitable<Listing> list(bool to_watch, StopSignal& stop) override;
  awaitable<void> watch(StopSignal& stop) override;

 private:
  using Session = ZookeeperSession;
  awaitable<Names> read_children(bool to_watch, StopSignal& stop);
  /// Reads the data of `names`; those that are gone are passed over.
  awaitable<void> read_all(const Names& names, bool to_watch, Listing& listing, StopSignal& stop);
  awaitable<void> read_next(Names& left, bool to_watch, Listing& listing, StopSignal& stop);
  awaitable<void> take_events(StopSignal& stop);
  std::string path_of(const std::string& child) const {
    return path_ == "/" ? path_ + child : path_ + '/' + child;
  }
  void wake();

  std::string path_;
  std::shared_ptr<ZookeeperSession> session_;
  Names watched_;  ///< children whose data the server watches for us, unless it has told since
  std::deque<ZookeeperEvent> events_;
  std::string loss_;  ///< why the watches of the last list are gone; empty: they are not
  int64_t zxid_ = 0;
  bool is_watching_ = false;
  std::weak_ptr<asio::steady_timer> sleeping_;  ///< of the watch that waits for events
};

void ZookeeperSubscription::wake() {
  if (const auto timer = sleeping_.lock()) timer->cancel();
}

void ZookeeperSubscription::take_event(const ZookeeperEvent& event) {
  events_.push_back(event);
  wake();
}

void ZookeeperSubscription::take_loss(const std::string& reason) {
  loss_ = reason.empty() ? "the connection was closed" : reason;
  wake();
}

/// A node that is not there is watched for its creation.
awaitable<Names> ZookeeperSubscription::read_children(bool to_watch, StopSignal& stop) {
  for (;;) {
    const Session::Answer answer =
        co_await session_->read(ZookeeperOperation::kGetChildren2, path_, to_watch, stop);
    zxid_ = answer.zxid;
    if (answer.error == ZookeeperError::kNone) {
      auto children = read_zookeeper_children(answer.body);
      if (!children) throw PeerFault("a list of children cannot be read");
      if (children->size() > kMostInstances) throw PeerFault("too many children");
      co_return Names(children->begin(), children->end());
    }
    if (answer.error != ZookeeperError::kNoNode) throw PeerFault(path_ + ": " + text_of(answer.error));
    if (!to_watch) co_return Names();
    const Session::Answer exists = co_await session_->read(ZookeeperOperation::kExists, path_, true, stop);
    if (exists.error == ZookeeperError::kNoNode) co_return Names();
    if (exists.error != ZookeeperError::kNone) throw PeerFault(path_ + ": " + text_of(exists.error));
    // It was created in between.
  }
}

awaitable<void> ZookeeperSubscription::read_all(const Names& names, bool to_watch, Listing& listing,
                                                StopSignal& stop) {
  Names left = names;
  TaskGroup group(io());
  for (size_t i = 0; i < std::min(names.size(), kReadsAtOnce); ++i) {
    group.spawn(read_next(left, to_watch, listing, stop));
  }
  co_await group.wait();
}

awaitable<void> ZookeeperSubscription::read_next(Names& left, bool to_watch, Listing& listing,
                                                 StopSignal& stop) {
  while (!left.empty()) {
    const std::string child = left.extract(left.begin()).value();
    const Session::Answer answer =
        co_await session_->read(ZookeeperOperation::kGetData, path_of(child), to_watch, stop);
    if (answer.error == ZookeeperError::kNoNode) continue;
    if (answer.error != ZookeeperError::kNone) throw PeerFault(path_of(child) + ": " + text_of(answer.error));
    if (to_watch) watched_.insert(child);
    const auto data = read_zookeeper_data(answer.body);
    if (!data) throw PeerFault("a node's data cannot be read");
    ListedEntry entry;
    auto instance = read_zookeeper_value(*data);
    if (!instance) {
      entry.unreadable.push_back(unreadable_entry(path_of(child), instance.error().message));
    } else if (*instance) {
      entry.instances.push_back(std::move(**instance));
    }
    listing.add(child, std::move(entry));
  }
}

awaitable<Listing> ZookeeperSubscription::list(bool to_watch, StopSignal& stop) {
  if (to_watch) {
    is_watching_ = false;
    watched_.clear();
    events_.clear();
    loss_.clear();
  }
  const Names names = co_await read_children(to_watch, stop);
  Listing listing;
  co_await read_all(names, to_watch, listing, stop);
  listing.version = std::to_string(zxid_);
  co_return listing;
}

awaitable<void> ZookeeperSubscription::watch(StopSignal& stop) {
  is_watching_ = true;
  const StopSignal::Registration ends(stop, [this] { wake(); });
  while (!stop.is_stopped()) {
    if (!loss_.empty()) break;
    if (events_.empty()) {
      const auto timer = std::make_shared<asio::steady_timer>(io(), asio::steady_timer::time_point::max());
      sleeping_ = timer;
      boost::system::error_code ignored;
      co_await timer->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    } else {
      co_await take_events(stop);
    }
  }
  is_watching_ = false;
  if (!loss_.empty()) throw PeerFault(loss_);
}

/// A watch tells once: what it told of is read again, with a new one.
awaitable<void> ZookeeperSubscription::take_events(StopSignal& stop) {
  if (events_.size() > kMostEvents) throw PeerFault("more events than can be followed");
  bool is_list_old = false;
  Names changed_children;
  for (const ZookeeperEvent& event : std::exchange(events_, {})) {
    if (event.path == path_) {
      is_list_old = true;
      continue;
    }
    const std::string child = event.path.substr(event.path.rfind('/') + 1);
    watched_.erase(child);
    // One that is gone, or comes again, is also told of by the list of children.
    if (event.type != ZookeeperEvent::Type::kDeleted) changed_children.insert(child);
    is_list_old |= event.type == ZookeeperEvent::Type::kDeleted;
  }
  if (is_list_old) {
    const Names names = co_await read_children(true, stop);
    Names gone;
    for (const std::string& known : keys()) {
      if (!names.contains(known)) gone.insert(known);
    }
    for (const std::string& child : gone) {
      remove(child);
      watched_.erase(child);
      changed_children.erase(child);
    }
    for (const std::string& name : names) {
      if (!watched_.contains(name)) changed_children.insert(name);
    }
  }
  Listing listing;
  co_await read_all(changed_children, true, listing, stop);
  for (const std::string& child : changed_children) {
    const auto found = listing.entries.find(child);
    if (found == listing.entries.end()) {
      remove(child);
    } else {
      put(child, std::move(found->second));
    }
  }
  changed(std::to_string(zxid_));
}

class ZookeeperSource : public Source {
 public:
  ZookeeperSource(const SourceModel& model, SourceContext context)
      : Source(context), model_(model), session_(std::make_shared<ZookeeperSession>(context.io, model)) {}

  void subscribe(SubscriptionId id, const DiscoverModel& wanted) override {
    const SourceContext context{io(), sink()};
    auto subscription = std::make_shared<ZookeeperSubscription>(context, id, model_, wanted.path, session_);
    subscriptions_.add(id, subscription);
    subscription->start(shared_from_this());
  }
  void unsubscribe(SubscriptionId id) override { subscriptions_.end(id); }

 private:
  const SourceModel model_;
  std::shared_ptr<ZookeeperSession> session_;
  Subscriptions<ZookeeperSubscription> subscriptions_;
};

}  // namespace

std::shared_ptr<Source> make_zookeeper_source(const SourceModel& model, SourceContext context) {
  return std::make_shared<ZookeeperSource>(model, context);
}

}  // namespace sluice::ctrl
