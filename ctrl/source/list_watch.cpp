#include "ctrl/source/list_watch.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "ctrl/log/log_line.h"
#include "ctrl/net/faults.h"
#include "ctrl/net/spawn.h"
#include "ctrl/source/entry.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using asio::awaitable;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

/// How long the watch may lag behind a list before what it has not told counts as missed.
constexpr auto kMostLag = 5s;
constexpr auto kLagStep = 250ms;

[[noreturn]] void fail_too_many() {
  throw PeerFault("more than " + std::to_string(kMostInstances) + " entries");
}

}  // namespace

void Listing::add(std::string key, ListedEntry entry) {
  if (entries.size() >= kMostInstances) fail_too_many();
  entries.insert_or_assign(std::move(key), std::move(entry));
}

ListWatch::ListWatch(SourceContext context, SubscriptionId id, std::chrono::milliseconds resync)
    : io_(context.io), delivery_(context.sink, id), resync_(resync) {}

void ListWatch::start(std::shared_ptr<Source> source) {
  source_ = source;
  spawn(run());
  spawn(resync());
}

void ListWatch::spawn(awaitable<void> task) {
  ctrl::spawn(io_.get_executor(), std::move(task),
              [self = shared_from_this(), source = source_.lock()](std::exception_ptr failure) {
                if (!failure) return;
                try {
                  std::rethrow_exception(failure);
                } catch (const std::exception& error) {
                  log_error({"a task of a source has failed: ", error.what()});
                }
              });
}

awaitable<void> ListWatch::run() {
  while (!stop_.is_stopped()) {
    std::string reason;
    try {
      co_await list_and_watch();
    } catch (const std::exception& error) {
      reason = error.what();
    }
    watch_ = nullptr;
    if (stop_.is_stopped()) co_return;
    if (!fault_.empty()) reason = std::exchange(fault_, {});
    if (!reason.empty()) delivery_.lost(reason);
    co_await wait_for(io_, stop_, backoff_.next());
  }
}

awaitable<void> ListWatch::list_and_watch() {
  Listing listing = co_await list(true, stop_);
  backoff_.reset();
  const bool was_known = std::exchange(is_known_, true);
  version_ = listing.version;
  const Differences found = differences(listing);
  const size_t differing = apply(std::move(listing), found);
  deliver(was_known ? differing : 0);
  const auto watch_stop = std::make_shared<StopSignal>();
  watch_ = watch_stop;
  const StopSignal::Registration ends(stop_, [&] { watch_stop->stop(); });
  try {
    co_await watch(*watch_stop);
  } catch (const std::exception&) {
    // A watch that resync has ended says so by what it throws.
    if (!watch_stop->is_stopped()) throw;
  }
}

awaitable<void> ListWatch::resync() {
  while (!stop_.is_stopped()) {
    co_await wait_for(io_, stop_, resync_);
    const auto watch = watch_;
    if (stop_.is_stopped() || watch == nullptr) continue;
    std::string reason;
    try {
      told_.emplace();
      co_await compare(watch);
    } catch (const std::exception& error) {
      reason = error.what();
    }
    told_.reset();
    if (reason.empty() || watch->is_stopped() || watch_ != watch) continue;
    fault_ = std::move(reason);
    watch->stop();
  }
}

/// The list beside the watch shows whether the registry still answers, and what the watch has missed.
awaitable<void> ListWatch::compare(std::shared_ptr<StopSignal> watch) {
  Listing listing = co_await list(false, *watch);
  Differences found = differences(listing);
  const auto until = Clock::now() + kMostLag;
  while (found.size() > 0 && watch_ == watch && !watch->is_stopped() && Clock::now() < until) {
    co_await wait_for(io_, *watch, kLagStep);
    found = differences(listing);
  }
  if (watch_ != watch || watch->is_stopped()) co_return;
  if (found.size() == 0) {
    delivery_.confirm();
    co_return;
  }
  const size_t repaired = apply(std::move(listing), found);
  deliver(repaired);
  watch->stop();  // it is not to be relied on
}

/// What the watch has told since is newer than the list, or will be told.
ListWatch::Differences ListWatch::differences(const Listing& listing) const {
  Differences found;
  const auto is_told = [&](const std::string& key) { return told_ && told_->contains(key); };
  for (const auto& [key, entry] : listing.entries) {
    const auto known = entries_.find(key);
    if ((known == entries_.end() || known->second != entry) && !is_told(key)) found.changed.push_back(key);
  }
  for (const auto& [key, entry] : entries_) {
    if (!listing.entries.contains(key) && !is_told(key)) found.gone.push_back(key);
  }
  return found;
}

size_t ListWatch::apply(Listing listing, const Differences& found) {
  for (const std::string& key : found.changed) entries_[key] = std::move(listing.entries[key]);
  for (const std::string& key : found.gone) entries_.erase(key);
  return found.size();
}

void ListWatch::put(const std::string& key, ListedEntry entry) {
  if (entries_.size() >= kMostInstances && !entries_.contains(key)) fail_too_many();
  if (told_) told_->insert(key);
  entries_[key] = std::move(entry);
}

void ListWatch::remove(const std::string& key) {
  if (told_) told_->insert(key);
  entries_.erase(key);
}

void ListWatch::changed(std::string version) {
  version_ = std::move(version);
  if (is_delivery_due_) return;
  if (Clock::now() >= next_delivery_) return deliver(0);
  is_delivery_due_ = true;
  spawn(deliver_later());
}

awaitable<void> ListWatch::deliver_later() {
  co_await wait_for(io_, stop_, std::chrono::ceil<std::chrono::milliseconds>(next_delivery_ - Clock::now()));
  if (stop_.is_stopped() || !std::exchange(is_delivery_due_, false)) co_return;
  try {
    deliver(0);
  } catch (const PeerFault& fault) {
    fault_ = fault.what();
    if (watch_ != nullptr) watch_->stop();
  }
}

std::vector<std::string> ListWatch::keys() const {
  std::vector<std::string> keys;
  keys.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) keys.push_back(key);
  return keys;
}

/// The next one is not sooner than ten times as long as this one took, nor later than 50 ms: fast changes of
/// large sets come together, and none is late.
void ListWatch::deliver(size_t repaired) {
  const auto begun = Clock::now();
  is_delivery_due_ = false;
  SnapshotBuilder builder;
  for (const auto& [key, entry] : entries_) {
    for (const Instance& instance : entry.instances) builder.add(instance);
    for (const std::string& unreadable : entry.unreadable) builder.leave_out(unreadable);
  }
  Snapshot snapshot = builder.finish(version_);
  snapshot.repaired = repaired;
  delivery_.put(std::move(snapshot));
  const auto now = Clock::now();
  next_delivery_ = now + std::clamp<Clock::duration>(10 * (now - begun), 5ms, 50ms);
}

}  // namespace sluice::ctrl
