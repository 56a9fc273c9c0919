// One subscription to a registry that can be listed and watched: lists, watches on from there, lists anew on
// a timer beside the watch and repairs what that has missed, and begins again after every failure. What the
// registry is like is for those who derive from it. Used by the thread of one source.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "ctrl/net/stop_signal.h"
#include "ctrl/source/delivery.h"
#include "ctrl/source/source.h"

namespace sluice::ctrl {

/// What a key of the registry, or an object of it, comes to.
struct ListedEntry {
  std::vector<Instance> instances;
  std::vector<std::string> unreadable;  ///< as Snapshot::unreadable_entries
  bool operator==(const ListedEntry&) const = default;
};

struct Listing {
  std::map<std::string, ListedEntry> entries;
  std::string version;
  /// Throws PeerFault where there are more than kMostInstances.
  void add(std::string key, ListedEntry entry);
};

class ListWatch : public std::enable_shared_from_this<ListWatch> {
 public:
  ListWatch(SourceContext context, SubscriptionId id, std::chrono::milliseconds resync);
  virtual ~ListWatch() = default;
  ListWatch(const ListWatch&) = delete;
  ListWatch& operator=(const ListWatch&) = delete;

  /// Starts the coroutines, which hold this object, and `source` of which it uses parts, until end().
  void start(std::shared_ptr<Source> source);
  void end() { stop_.stop(); }

 protected:
  /// The whole list. With `to_watch` the next watch() goes on from it. Throws what can be told to people.
  virtual boost::asio::awaitable<Listing> list(bool to_watch, StopSignal& stop) = 0;
  /// Tells every change by put() and remove(), then changed(). Returns where a new list is needed and nothing
  /// has failed; throws what has.
  virtual boost::asio::awaitable<void> watch(StopSignal& stop) = 0;

  void put(const std::string& key, ListedEntry entry);
  void remove(const std::string& key);
  std::vector<std::string> keys() const;
  /// The changes up to here belong together, as of `version`.
  void changed(std::string version);
  /// The watch has spoken without a change.
  void confirm() { delivery_.confirm(); }

  boost::asio::io_context& io() { return io_; }

 private:
  struct Differences {
    std::vector<std::string> changed, gone;
    size_t size() const { return changed.size() + gone.size(); }
  };

  boost::asio::awaitable<void> run();
  boost::asio::awaitable<void> list_and_watch();
  boost::asio::awaitable<void> resync();
  boost::asio::awaitable<void> compare(std::shared_ptr<StopSignal> watch);
  boost::asio::awaitable<void> deliver_later();
  void spawn(boost::asio::awaitable<void> task);
  Differences differences(const Listing& listing) const;
  size_t apply(Listing listing, const Differences& found);
  void deliver(size_t repaired);

  boost::asio::io_context& io_;
  Delivery delivery_;
  const std::chrono::milliseconds resync_;
  std::weak_ptr<Source> source_;
  StopSignal stop_;
  Backoff backoff_;
  std::map<std::string, ListedEntry> entries_;
  std::string version_;
  bool is_known_ = false;              ///< entries_ come from a whole list
  std::shared_ptr<StopSignal> watch_;  ///< of the watch under way; null: there is none
  std::string fault_;                  ///< why resync ended the watch
  std::optional<std::set<std::string>>
      told_;  ///< keys of which the watch has told since resync began to list
  std::chrono::steady_clock::time_point next_delivery_{};
  bool is_delivery_due_ = false;
};

}  // namespace sluice::ctrl
