// The ledgers of a simulated world's gateways: their disks and keys, which outlive them, what disks do to
// them, and what must hold of their logs. One thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "sim/core/chance.h"
#include "sim/core/scratch_directory.h"
#include "sim/disk/crash_disk.h"
#include "sim/disk/log_promises.h"
#include "sim/world/coap_message.h"
#include "sim/world/gateway_node.h"

namespace sluice::sim {

class World;

class Ledgers {
 public:
  /// Before the first gateway starts. Tells `plan` where logs and keys are.
  Ledgers(World& world, LedgerPlan& plan, Chance chance);
  ~Ledgers();

  ledger::FileSystem& disk_of(const GatewayNode& node) { return logs_[node.index]->disk; }
  /// Has disks fail at times, until then, where the plan has that.
  void trouble_until(Nanoseconds until);
  /// All disks are well again, but what has failed stays so until its gateway starts again.
  void heal();

  /// A gateway has started, and what was promised is held against its log.
  void note_start(GatewayNode& node);
  /// Its power goes: nothing reaches its disk any more, but for some calls that are under way.
  void cut_power(const GatewayNode& node);
  /// It has been stopped in order, and is still there.
  void check_stopped(GatewayNode& node);
  /// It is gone.
  void note_end(const GatewayNode& node);
  /// Once a millisecond.
  void look(GatewayNode& node);
  /// A receipt leaves the gateway.
  void take_receipt(const GatewayNode& node, const ToldReceipt& receipt, const std::string& payload);

  /// Whether a gateway's ledger has failed, and refuses until the gateway starts again.
  bool has_failed(const GatewayNode& node) const { return logs_[node.index]->has_failed; }
  /// Whether a disk is, or may have been, without room or slow just now.
  bool is_troubled() const;

 private:
  struct Log {
    Log(const std::string& directory, uint64_t window, Chance chance, Trace& trace,
        LogPromises::Violate violate);

    CrashDisk disk;
    LogPromises promises;
    bool hangs = false;                  ///< the next sync
    bool may_fail = false;               ///< a sync of this life fails
    bool has_failed = false;             ///< and has
    uint64_t refused_from = UINT64_MAX;  ///< indexes that this life may not give any more
  };
  [[noreturn]] void violate(const GatewayNode& node, const std::string& what);
  Nanoseconds sync_time(GatewayNode& node);
  void expect_stall(GatewayNode& node, Nanoseconds until);
  void heal(Log& log);
  void trouble_later();
  void trouble(GatewayNode& node);
  void look_for_failure(GatewayNode& node);

  World& world_;
  Chance chance_;
  ScratchDirectory directory_;
  const LedgerPlan& plan_;
  Nanoseconds until_ = 0;
  Nanoseconds troubled_until_ = 0;
  std::vector<std::unique_ptr<Log>> logs_;
};

}  // namespace sluice::sim
