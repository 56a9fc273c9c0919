// What a DataPlane consists of, in the order in which it is built. Control thread.
#pragma once

#include <rte_mempool.h>

#include <array>
#include <atomic>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "dataplane/base/published.h"
#include "dataplane/device/kernel_tap.h"
#include "dataplane/device/port.h"
#include "dataplane/device/port_watch.h"
#include "dataplane/device/socket_drops.h"
#include "dataplane/roles/dataplane.h"
#include "dataplane/roles/hash_worker_loop.h"
#include "dataplane/roles/ledger_station.h"
#include "dataplane/roles/station.h"
#include "dataplane/roles/topology.h"
#include "dataplane/roles/worker_loop.h"
#include "dataplane/roles/worker_rest.h"

namespace sluice::dataplane {

struct DataPlane::Parts {
  explicit Parts(const BootConfig& boot) : config(boot) {}
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
  /// Gives everything back, EAL last. The workers have stopped.
  ~Parts();

  /// After EAL has started, in this order.
  Result<void> attach_devices();
  Result<void> make_pools();
  Result<void> set_up_devices();
  Result<void> make_stations();
  Result<void> make_ledger();
  Result<void> make_flow_counts();

  Result<void> start_devices();
  Result<void> start_workers();
  Result<void> launch(unsigned worker);
  /// Where workers rest: before any thread runs, for rings are told whom to wake.
  Result<void> make_rests();
  Result<void> start_hash_workers();
  /// Waits, within reason, until no packet is on its way between workers.
  void drain() const;
  void sleep_a_millisecond() const;
  Result<std::array<uint64_t, 2>> draw_seeds() const;

  rte_mempool* pool_of(int numa_node) const;
  void make_rings();
  /// Those of one use that have a thread at that end, in the order of the table.
  std::vector<PacketRing*> rings_at(unsigned thread, unsigned Ring::*end, RingUse use) const;
  void connect_stations();
  void connect_ledger();
  bool rings_are_empty() const;

  BootConfig config;
  std::vector<PortPlan> plans;  ///< by configured port, as all down to `tap_devices`
  std::deque<SocketDrops> socket_drops;
  PortWatch watch;
  std::vector<MacAddress> macs;
  std::vector<KernelTap> taps;
  std::vector<TransmitDevice> devices;
  std::vector<TransmitDevice> tap_devices;
  std::map<int, rte_mempool*> pools;  ///< by NUMA node
  Topology topology;
  std::vector<std::unique_ptr<PacketRing>> rings;  ///< by Topology::rings; null where it carries no packets
  CheckLanes checks;
  MappedArray<lb::SharedCount> service_flows;  ///< lb::SharedFlowCounts, for all stations
  MappedArray<lb::SharedCount> backend_flows;
  std::vector<std::unique_ptr<Station>> stations;  ///< by worker, as the loops and rests
  ledger::PosixFileSystem ledger_files;
  std::unique_ptr<LedgerStation> ledger_station;  ///< null: no ledger ingress
  std::optional<LedgerPlane> ledger;
  std::unique_ptr<Published<Tables>> published;
  std::unique_ptr<Published<Captures>> captures;
  std::vector<std::unique_ptr<WorkerRest>> rests;  ///< none: they only poll
  std::vector<std::unique_ptr<WorkerLoop>> loops;
  std::vector<std::unique_ptr<HashWorkerLoop>> hash_loops;  ///< of those with an lcore of their own
  std::atomic<Phase> phase{Phase::kRunning};
  bool running = false;
  bool has_launched_all = false;
};

}  // namespace sluice::dataplane
