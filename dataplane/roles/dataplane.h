// The data plane as the control thread sees it: start it, publish Tables to it, read its counters, ask its
// workers, stop it. The only header of this folder that ctrl needs besides plain values.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"
#include "dataplane/device/boot_config.h"
#include "dataplane/device/port_info.h"
#include "dataplane/neighbor/neighbor_record.h"
#include "dataplane/roles/ledger_plane.h"
#include "dataplane/tables/capture.h"
#include "dataplane/tables/notice.h"
#include "dataplane/tables/stats.h"
#include "dataplane/worker/check_lane.h"
#include "dataplane/worker/worker_request.h"
#include "lb/view.h"

namespace sluice::lb {
class HandshakeWatch;
}

namespace sluice::dataplane {

struct Tables;

/// What only the device counts.
struct DeviceCounters {
  uint64_t missed_packets = 0;
};

struct WorkerInfo {
  unsigned index;
  unsigned cpu;
  std::string_view role;  ///< `worker` or `lb_worker`
  bool balances;
  size_t flow_capacity;
};

/// A hash worker with an lcore of its own, and how it has fared. Indexes go on where workers' end.
struct HashWorkerInfo {
  unsigned index;
  unsigned cpu;
  uint64_t busy_cycles;  ///< TSC, of polls that found something
  uint64_t idle_cycles;  ///< of all others
};

/// A thread of the data plane, or the control thread.
struct ThreadInfo {
  std::string name;             ///< `worker 1`
  std::string_view role;        ///< as dataplane/roles/topology.h has them
  std::optional<unsigned> cpu;  ///< nothing: the kernel chooses
  int numa_node;                ///< of its memory; -1: any
};

/// A ring between two threads, by their names; both ends may be one.
struct RingInfo {
  std::string_view carries;
  std::string from;
  std::string to;
  size_t size;  ///< how many may wait
};

/// Counters are for any thread, the rest for one at a time. One per process, as EAL is.
class DataPlane {
 public:
  /// Initialises EAL, finds the devices and sets up ports, pools, rings and worker memory. An Error names
  /// what is missing (device, core, huge pages, permission) and what to do about it.
  static Result<std::unique_ptr<DataPlane>> create(const BootConfig& config);
  /// Stops the workers if they run, and gives everything back.
  ~DataPlane();

  /// By configured port, known before the first Tables are built.
  std::vector<PortInfo> ports() const;
  std::vector<WorkerInfo> workers() const;
  /// Who runs, and which ring leads from whom to whom.
  std::vector<ThreadInfo> threads() const;
  std::vector<RingInfo> rings() const;
  /// Empty where workers hash what they receive, and before the start.
  std::vector<HashWorkerInfo> hash_workers() const;

  /// Starts the ports and the worker threads on the first Tables.
  Result<void> start(std::shared_ptr<const Tables> first);
  /// Stops receiving, drains the rings, sends what is buffered, joins the threads. Idempotent.
  void stop();

  /// Makes Tables what every worker uses from its next burst on. Never waits.
  void publish(std::shared_ptr<const Tables> tables);
  /// Whether every worker works with the newest Tables.
  bool settled() const;
  /// The number of the newest Tables, which publish() gives them, and of those that a worker works with.
  uint64_t publication() const;
  uint64_t publication_of(unsigned worker) const;
  /// Makes these the captures that every worker shows packets to, each from its next poll on.
  void capture(std::shared_ptr<const Captures> captures);
  /// Whether every worker works with the newest captures.
  bool captures_settled() const;
  /// Frees retired Tables and captures. From the control tick.
  void reclaim();
  /// Follows the ports' links, and MTUs of the kernel's interfaces, and says what changes. From the control
  /// tick.
  void watch_ports(std::chrono::steady_clock::time_point now);
  /// Of a configured port. Any thread.
  bool link_up(unsigned port) const;

  const WorkerStats& stats(unsigned worker) const;
  /// How often each has gone round: workers, then hash_workers().
  std::vector<uint64_t> polls() const;
  /// Indexed by ServiceId and BackendId.
  std::span<const lb::TargetCounters> service_counters(unsigned worker) const;
  std::span<const lb::TargetCounters> backend_counters(unsigned worker) const;
  /// What came back, of services that translate. Indexed by ServiceId.
  std::span<const lb::AnswerCounters> answer_counters(unsigned worker) const;
  /// How a worker's handshakes fare; take() is for one thread alone.
  lb::HandshakeWatch& handshakes(unsigned worker);
  const lb::HandshakeWatch& handshakes(unsigned worker) const;
  DeviceCounters device_counters(unsigned port) const;
  std::vector<NeighborRecord> neighbors() const;
  /// A worker's notices; take() is for the control tick alone.
  Notices& notices(unsigned worker);
  const Notices& notices(unsigned worker) const;

  /// Puts a request before a worker that can answer it (worker_request.h). False: its ring is full, ask
  /// later.
  bool ask(unsigned worker, WorkerRequest& request);
  /// The way of health checks through the workers; for one thread.
  CheckLanes& checks();
  /// The ledger ingress; null where the configuration has none.
  LedgerPlane* ledger();
  /// The workers that may own a flow, for explain: one; or every balancing one, where a flow belongs to
  /// whoever its device gave it to.
  std::vector<unsigned> possible_owners(const FlowKey& key) const;

 private:
  DataPlane();
  static Result<std::unique_ptr<DataPlane>> build(const BootConfig& config);
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace sluice::dataplane
