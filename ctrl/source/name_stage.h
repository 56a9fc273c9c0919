// Puts addresses in the place of names, in the snapshots of one source: looks every name up, again and again,
// and hands a new snapshot on when an address has changed. On the thread of the source.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "ctrl/source/source.h"

namespace sluice::ctrl {

class NameStage : public std::enable_shared_from_this<NameStage> {
 public:
  using Sink = std::function<void(SubscriptionId, Snapshot)>;
  /// Looks a name up: the answer comes on any thread, or never.
  using Resolve = std::function<void(const std::string&, std::function<void(NameResolver::Answer)>)>;
  static constexpr size_t kMostNames = 10'000;  ///< of one source; more of them are left out

  NameStage(boost::asio::io_context& io, Sink sink, Resolve resolve)
      : sink_(std::move(sink)),
        resolve_(std::move(resolve)),
        timer_(io),
        way_back_(std::make_shared<WayBack>()) {
    way_back_->io = &io;
  }
  ~NameStage();

  /// Hands the snapshot on, at once where it has no names; else when all names are looked up or kPatience is
  /// over. A name that cannot be looked up keeps its last addresses; one that does not exist has none.
  void take(SubscriptionId id, Snapshot snapshot);
  void forget(SubscriptionId id);

 private:
  static constexpr std::chrono::seconds kPatience{2};
  static constexpr std::chrono::seconds kSoonest{1};
  static constexpr std::chrono::seconds kUnanswered{30};  ///< then a lookup counts as failed

  using Clock = std::chrono::steady_clock;
  struct Name {
    bool is_asked = false;  ///< a lookup is under way
    bool is_known = false;  ///< one has ended
    Clock::time_point due = {};
    std::vector<IpAddress> addresses;
    std::string error;
  };
  struct Subscription {
    Snapshot snapshot;
    std::set<std::string> names;
    Clock::time_point deadline;
    bool is_handed_on = false;
  };

  /// By which answers come from other threads, as long as there is somebody to take them.
  struct WayBack {
    std::mutex mutex;
    boost::asio::io_context* io = nullptr;
  };

  void ask(const std::string& name, Name& known);
  void answered(const std::string& name, NameResolver::Answer answer);
  bool is_complete(const Subscription& subscription) const;
  Snapshot resolved(const Subscription& subscription) const;
  void hand_on(SubscriptionId id, Subscription& subscription);
  void tick();
  void wait();

  Sink sink_;
  Resolve resolve_;
  boost::asio::steady_timer timer_;
  const std::shared_ptr<WayBack> way_back_;
  bool is_waiting_ = false;
  std::map<std::string, Name> names_;
  std::map<SubscriptionId, Subscription> subscriptions_;  ///< those with names
};

/// Looks names up by the system's resolver, on threads that nobody waits for: getaddrinfo(3) cannot be
/// interrupted.
void resolve_by_system(const std::string& name, std::function<void(NameResolver::Answer)> answer);

}  // namespace sluice::ctrl
