// A source tells which backends there are: a file, DNS, a registry, a control plane. It hands over whole
// snapshots of instances for each subscription, and says when it cannot; it knows neither the Model nor what
// becomes of its words. What is common to all sources is done in one place behind the sink: names are
// resolved, endpoints united, an outage held, a guard kept, states shown, metrics counted.
//
// Threads: every source has a thread of its own with one io_context, so that none holds the control loop, nor
// another source. It is made, called and calls its sink there alone; coroutines suit it, and it may parse at
// length, but not wait. It ends with that io_context: pending coroutines are destroyed where they stand.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "common/address.h"
#include "ctrl/intent/source_model.h"
#include "ctrl/observed/snapshot.h"

namespace sluice::ctrl {

class LeaseTable;

/// Tells one subscription from all others of a process, former ones too.
using SubscriptionId = uint64_t;

/// Where a source's words go. Calls for subscriptions that have ended are ignored, so a source need not mind
/// a race between its own coroutines.
class SourceSink {
 public:
  virtual ~SourceSink() = default;
  /// The source has answered: this is all that there is now, nothing at all too. Authoritative emptiness
  /// (NXDOMAIN, an empty prefix) is an empty snapshot; an error never is.
  virtual void deliver(SubscriptionId id, Snapshot snapshot) = 0;
  /// The source has spoken, and what was delivered last holds still: an answer without changes, a keepalive,
  /// a heartbeat of a watch. A subscription without a word for `resync` + 10 s counts as stale.
  virtual void confirm(SubscriptionId id) = 0;
  /// The source could not be asked, or answered nonsense; for every failed attempt. `reason` is for people,
  /// one line, without secrets. What was delivered last holds; the state is stale, or failed where nothing
  /// ever was.
  virtual void lost(SubscriptionId id, const std::string& reason) = 0;
};

/// Looks up names for the instances of other sources.
class NameResolver {
 public:
  struct Answer {
    /// False: nobody could be asked, and what was known holds. True with no addresses: there are none.
    bool is_authoritative = false;
    std::vector<IpAddress> addresses = {};
    std::chrono::milliseconds ttl{30'000};
    std::string error = {};  ///< for people, where it is not authoritative
  };
  virtual ~NameResolver() = default;
  /// Calls `answer` later, once, on the thread of the resolver; or never, where that ends before.
  virtual void resolve(const std::string& name, std::function<void(Answer)> answer) = 0;
};

struct SourceContext {
  boost::asio::io_context& io;       ///< of this source alone, and run by one thread
  SourceSink& sink;                  ///< of this source alone; outlives it
  LeaseTable* registered = nullptr;  ///< what registers itself with this gateway; null: it has no registry
};

/// Made by std::make_shared: its coroutines, started by spawn(), hold it, so that they may use `this`.
class Source : public std::enable_shared_from_this<Source> {
 public:
  explicit Source(SourceContext context) : io_(context.io), sink_(context.sink) {}
  virtual ~Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  /// From now on, until unsubscribe(): deliver what there is, soon, and then every change. Keys of `wanted`
  /// are those of the source's type. Must return at once; the first subscription comes after construction.
  virtual void subscribe(SubscriptionId id, const DiscoverModel& wanted) = 0;
  /// The same for the services that the source brings, of `services_from`; a source whose protocol has none
  /// says so by lost().
  virtual void subscribe_services(SubscriptionId id) { sink_.lost(id, "it brings no services"); }
  /// Ends what one of these began: its timers and sockets are to be closed, so that its coroutines end.
  virtual void unsubscribe(SubscriptionId id) = 0;
  /// For `resolver`: null where names cannot be looked up here.
  virtual NameResolver* resolver() { return nullptr; }

 protected:
  /// Runs `task` on this thread. What it throws is logged, and nothing else follows from it.
  void spawn(boost::asio::awaitable<void> task);

  boost::asio::io_context& io() { return io_; }
  SourceSink& sink() { return sink_; }

 private:
  boost::asio::io_context& io_;
  SourceSink& sink_;
};

/// How long to wait before the next attempt: 100 ms, then twice as long each time up to 30 s, each between
/// half and all of that by chance, so that many gateways do not come back at once.
class Backoff {
 public:
  std::chrono::milliseconds next();
  /// After a whole list has come.
  void reset() { step_ = kFirst; }

 private:
  static constexpr std::chrono::milliseconds kFirst{100};
  static constexpr std::chrono::milliseconds kLongest{30'000};
  std::chrono::milliseconds step_ = kFirst;
};

}  // namespace sluice::ctrl
