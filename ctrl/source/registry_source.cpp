#include "ctrl/source/registry_source.h"

#include <algorithm>
#include <atomic>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <map>

#include "ctrl/observed/lease_table.h"
#include "ctrl/source/delivery.h"
#include "ctrl/source/entry.h"

namespace sluice::ctrl {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

Snapshot snapshot_of(const LeaseTable::View& view) {
  SnapshotBuilder builder;
  for (const auto& registered : view.instances) {
    Instance instance;
    // What could not be read was not registered.
    if (!read_host(registered->address, instance)) continue;
    instance.port = static_cast<uint16_t>(registered->port);
    instance.weight = registered->weight;
    builder.add(std::move(instance));
  }
  return builder.finish(std::to_string(view.index));
}

/// One subscription. It listens to the table until it goes; the table calls on the registry's thread.
class Registration : public std::enable_shared_from_this<Registration> {
 public:
  Registration(asio::io_context& io, LeaseTable& table, SourceSink& sink, SubscriptionId id,
               std::string service, std::chrono::milliseconds resync)
      : io_(io),
        table_(table),
        delivery_(sink, id),
        service_(std::move(service)),
        resync_(resync),
        timer_(io),
        pause_(io) {}
  ~Registration() { table_.unlisten(listener_); }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

  void start() {
    listener_ = table_.listen(service_, [this] {
      if (is_due_.exchange(true)) return;
      asio::post(io_, [weak = weak_from_this()] {
        if (const auto self = weak.lock()) self->tell_in_time();
      });
    });
    tell();
    tell_again();
  }

 private:
  using Clock = std::chrono::steady_clock;

  /// The next time is not sooner than ten times as long as this took, nor later than 50 ms: fast changes of
  /// large sets come together, and none is late.
  void tell() {
    const auto begun = Clock::now();
    is_due_ = false;
    delivery_.put(snapshot_of(table_.list(service_)));
    const auto now = Clock::now();
    not_before_ = now + std::clamp<Clock::duration>(10 * (now - begun), 5ms, 50ms);
  }
  void tell_in_time() {
    if (Clock::now() >= not_before_) return tell();
    pause_.expires_at(not_before_);
    pause_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (!error && self) self->tell();
    });
  }
  /// The table is there, and so is a word of it.
  void tell_again() {
    timer_.expires_after(resync_);
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->tell();
      self->tell_again();
    });
  }

  asio::io_context& io_;
  LeaseTable& table_;
  Delivery delivery_;
  const std::string service_;
  const std::chrono::milliseconds resync_;
  asio::steady_timer timer_, pause_;
  Clock::time_point not_before_ = {};
  std::atomic<bool> is_due_ = false;  ///< tell() is on its way
  uint64_t listener_ = 0;
};

class RegistrySource : public Source {
 public:
  RegistrySource(const SourceModel& model, SourceContext context)
      : Source(context), resync_(model.resync), registered_(context.registered) {}

  void subscribe(SubscriptionId id, const DiscoverModel& wanted) override {
    if (registered_ == nullptr) return sink().lost(id, "this gateway has no `registry`");
    auto registration =
        std::make_shared<Registration>(io(), *registered_, sink(), id, wanted.service, resync_);
    registration->start();
    registrations_[id] = std::move(registration);
  }
  void unsubscribe(SubscriptionId id) override { registrations_.erase(id); }

 private:
  const std::chrono::milliseconds resync_;
  LeaseTable* const registered_;
  std::map<SubscriptionId, std::shared_ptr<Registration>> registrations_;
};

}  // namespace

std::shared_ptr<Source> make_registry_source(const SourceModel& model, SourceContext context) {
  return std::make_shared<RegistrySource>(model, context);
}

}  // namespace sluice::ctrl
