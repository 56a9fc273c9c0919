// What registration means, whatever it comes over: checks what is said, keeps leases and their journal, ends
// those that nobody renews. The registry's thread alone.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "common/result.h"
#include "ctrl/observed/lease_table.h"
#include "ctrl/registry/lease_journal.h"
#include "ctrl/wire/grpc_message.h"

namespace sluice::ctrl {

/// Why a request was not done. `message` begins with the field at fault, where one is.
struct RegistryRefusal {
  GrpcStatus status = GrpcStatus::kInternal;
  std::string message;
};
template <typename Answer>
using Registered = tl::expected<Answer, RegistryRefusal>;

struct GrantedLease {
  std::string id;
  std::chrono::milliseconds ttl{0};
};

class Registry {
 public:
  static constexpr size_t kMostNameBytes = 253;
  static constexpr size_t kMostMetadata = 64;
  static constexpr size_t kMostMetadataBytes = 8192;
  static constexpr std::chrono::milliseconds kShortestTtl{1'000};
  static constexpr std::chrono::milliseconds kLongestTtl{24 * 3'600'000};
  /// A lease that a restart has met has so much time at least.
  static constexpr std::chrono::milliseconds kAfterRestart{5'000};

  /// Takes up what `directory` holds, into `table`, which is empty and outlives the registry.
  static Result<std::unique_ptr<Registry>> open(const std::string& directory,
                                                std::chrono::milliseconds default_ttl, LeaseTable& table);

  Registered<GrantedLease> put(ServiceInstance instance);
  Registered<GrantedLease> renew(const std::string& lease);
  Registered<GrantedLease> renew(const InstanceKey& key);
  Registered<void> remove(const std::string& lease);
  Registered<void> remove(const InstanceKey& key);

  /// Ends leases whose time is over, and writes what waits. Several times a second, and before the end.
  void tick();
  /// How many leases have ended since the start because nobody renewed them. Any thread.
  uint64_t ended() const { return ended_; }

 private:
  using Time = LeaseTable::Time;
  Registry(LeaseJournal journal, std::chrono::milliseconds default_ttl, LeaseTable& table, Time now);
  Time now() const;
  Registered<GrantedLease> renew(const LeaseTable::Instance& instance, const std::string& lease);
  Registered<void> remove(const LeaseTable::Instance& instance, const InstanceKey& key);
  void end_overdue();
  void complain(const Result<void>& outcome);

  LeaseJournal journal_;
  const std::chrono::milliseconds default_ttl_;
  LeaseTable& table_;
  const Time first_;  ///< what the clock said when this process began
  const std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  bool has_complained_ = false;
  std::atomic<uint64_t> ended_ = 0;
};

/// Visible ASCII, and not too long.
bool is_registry_name(std::string_view text);

}  // namespace sluice::ctrl
