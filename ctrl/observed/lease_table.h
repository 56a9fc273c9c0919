// The services that have registered themselves, and how long each is there without another word. It knows no
// clock: time is what the registry's own clock says. Any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "ctrl/wire/registry_message.h"

namespace sluice::ctrl {

class LeaseTable {
 public:
  using Time = std::chrono::milliseconds;
  static constexpr size_t kMostInstances = 200'000;
  static constexpr size_t kMostBytes = size_t{256} << 20;  ///< of names and metadata
  static constexpr size_t kMostChanges = 8192;             ///< that since() knows

  using Instance = std::shared_ptr<const ServiceInstance>;

  /// Where an instance of that name and size can be taken in.
  bool has_room(const ServiceInstance& instance) const;
  /// Takes the place of the instance of that name, and of its lease.
  void put(Instance instance, std::string lease, Time deadline);
  /// The instance whose lease this is; null where there is none.
  Instance of_lease(const std::string& lease) const;
  /// The lease of an instance; empty where there is none.
  std::string lease_of(const InstanceKey& key) const;
  /// For a lease that there is.
  void renew(const std::string& lease, Time deadline);
  void remove(const InstanceKey& key);
  /// Those whose time is over.
  std::vector<InstanceKey> overdue(Time now) const;
  /// No lease ends before `time`.
  void keep_until(Time time);

  struct View {
    uint64_t index = 0;
    uint64_t position = 0;            ///< for since()
    ServiceInstances instances = {};  ///< in order of service and instance
  };
  /// Of a service; of all where it is empty. An index grows with each change of what was asked for, and may
  /// grow without one where an instance, or a service, is not there any more.
  View list(const std::string& service) const;
  /// The first `most` of them that come behind `after`.
  View page(const std::string& service, const InstanceKey& after, size_t most) const;
  uint64_t index_of(const std::string& service) const;

  struct Changes {
    uint64_t index = 0;
    uint64_t position = 0;
    ServiceInstances instances = {};
    std::vector<InstanceKey> gone = {};
  };
  /// What has changed since `position`; nothing where there was more than is known.
  std::optional<Changes> since(const std::string& service, uint64_t position) const;

  /// `changed` is called after each change of the service, or of any where it is empty, on the thread that
  /// made it; it must return at once and not call this object.
  uint64_t listen(const std::string& service, std::function<void()> changed);
  /// After it `changed` is called no more.
  void unlisten(uint64_t listener);

  size_t size() const;
  /// What holds one entry: instance, lease and deadline.
  struct Lease {
    Instance instance;
    std::string id;
    Time deadline;
  };
  std::vector<Lease> leases() const;
  /// After a restart: indices go on from there.
  void go_on_from(uint64_t index);

 private:
  struct Entry {
    Instance instance;
    std::string lease;
    Time deadline;
  };
  struct Listener {
    std::string service;
    std::function<void()> changed;
  };
  using Entries = std::map<InstanceKey, Entry>;

  std::pair<Entries::const_iterator, Entries::const_iterator> range(const std::string& service) const;
  uint64_t index_under_lock(const std::string& service) const;
  void note_change(const InstanceKey& key);

  mutable std::mutex mutex_;
  Entries entries_;
  std::unordered_map<std::string, InstanceKey> by_lease_;
  std::set<std::pair<Time, InstanceKey>> deadlines_;
  std::map<std::string, uint64_t> service_index_;  ///< of services that have instances
  uint64_t emptied_index_ = 0;                     ///< when a service lost its last one
  uint64_t index_ = 1;
  size_t bytes_ = 0;
  std::deque<std::pair<uint64_t, InstanceKey>> changes_;
  uint64_t forgotten_index_ = 1;  ///< changes up to it are not in changes_
  std::map<uint64_t, Listener> listeners_;
  uint64_t next_listener_ = 1;
};

}  // namespace sluice::ctrl
