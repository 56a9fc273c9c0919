// One worker of the gateway, made for a measurement: its tables, its memory and its devices, without the
// control thread. EAL must run. Used by one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dataplane/roles/station.h"
#include "perf/rules.h"
#include "tests/support/test_tables.h"

struct rte_mempool;

namespace sluice::perf {

/// What the worker is to do: services over backends, all of one kind.
struct Duty {
  lb::ForwardMode forward = lb::ForwardMode::kDnat;
  lb::Policy policy = lb::Policy::kMaglev;
  IpProtocol protocol = IpProtocol::kTcp;
  bool v6 = false;
  bool fed_by_flowgen = false;  ///< testpmd's traffic: 10.253.0.0/16 on any port, to its own idea of our MAC
  unsigned services = 1;    ///< at service_address() of perf/traffic.h, all but the first with one backend
  unsigned backends = 100;  ///< of that one, at most 240, with static neighbors
  uint32_t flow_table_entries = 1u << 20;
  Rules rules = Rules::kNone;
  bool is_accounted = false;  ///< packets are counted for their flows, of which somebody reads records
};

/// Ends the process with that message, behind the program's name.
[[noreturn]] void give_up(const char* what);

/// Starts EAL with these arguments, argv[0] first; ends the process where that fails.
void start_eal(const std::vector<std::string>& arguments);

/// EAL's argument for where its memory comes from: huge pages where 64 MiB of them are free.
std::string memory_argument();

/// A pool of the gateway's kind of buffers, with `data_room` bytes behind the headroom.
rte_mempool* make_pool(unsigned buffers, uint16_t data_room, unsigned cache);

std::shared_ptr<dataplane::Tables> tables_for(const Duty& duty);

/// The worker. Both its ports are `device`, the queue it receives from is that device's queue 0.
class WorkerRig {
 public:
  WorkerRig(const Duty& duty, rte_mempool* pool, uint16_t device);
  /// One of several that share these tables: worker `index` of `workers`, with that queue of the device.
  WorkerRig(std::shared_ptr<dataplane::Tables> tables, unsigned index, unsigned workers, rte_mempool* pool,
            uint16_t device);

  dataplane::Worker& worker() { return station_->worker(); }
  std::shared_ptr<dataplane::Tables> tables() { return tables_; }
  uint64_t dropped() const;

 private:
  WorkerRig(std::shared_ptr<dataplane::Tables> tables, uint32_t flow_table_entries,
            const dataplane::WorkerPlace& place, rte_mempool* pool, uint16_t device);

  std::shared_ptr<dataplane::Tables> tables_;
  std::vector<dataplane::TransmitDevice> devices_;
  std::vector<dataplane::ReceiveQueue> queues_;
  std::vector<lb::SharedCount> service_flows_, backend_flows_;  ///< where there are rules
  std::unique_ptr<dataplane::Station> station_;
};

}  // namespace sluice::perf
