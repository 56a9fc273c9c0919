// A gateway without threads for packet tests: frames go into its ports, a poll of the worker runs the real
// pipeline from reception to transmission, and frames come out. Its devices are rings in memory.
//
// EAL starts with the first gateway of a process and has no huge pages.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "dataplane/base/drop_reason.h"
#include "dataplane/roles/ledger_plane.h"
#include "dataplane/roles/ledger_station.h"
#include "dataplane/roles/station.h"
#include "dataplane/worker/worker.h"
#include "tests/support/packet_builder.h"
#include "tests/support/test_tables.h"

struct rte_ring;

namespace sluice::test {

struct GatewayShape {
  unsigned rx_workers = 1;
  unsigned lb_workers = 0;
  uint32_t flow_table_entries = 1024;               ///< per balancing worker
  size_t ring_size = 256;                           ///< packets between two workers
  uint16_t headroom = 128;                          ///< in front of received frames
  bool splits_flows = false;                        ///< as a device with several queues and no RSS does
  uint16_t transmit_queues = 0;                     ///< of each port; 0: one for each worker
  const dataplane::LedgerConfig* ledger = nullptr;  ///< null: no ledger ingress
  ledger::FileSystem* ledger_files = nullptr;       ///< that the log lies in
  unsigned hash_workers = 0;                        ///< 0: rx workers hash
};

class TestGateway {
 public:
  explicit TestGateway(std::shared_ptr<dataplane::Tables> tables, const GatewayShape& shape = {});
  ~TestGateway();
  TestGateway(const TestGateway&) = delete;

  /// Puts a frame into the receive queue that `worker` has of `port`.
  void put(uint8_t port, const Bytes& frame, unsigned worker = 0);
  /// The same as a device does it whose buffers are too small for the frame.
  void put_in_two_segments(uint8_t port, const Bytes& frame);
  /// One poll of every worker, in their order.
  void poll();
  /// Puts a frame in and polls until nothing moves any more.
  void receive(uint8_t port, const Bytes& frame, unsigned worker = 0);
  void settle();
  /// Polls until that is so, for the threads of the ledger take their time. False: it never came to be.
  bool eventually(const std::function<bool()>& is_so);

  /// The frames that left by `port`, or that the kernel's tap of `port` got, since the last call.
  std::vector<Bytes> sent(uint8_t port);
  std::vector<Bytes> sent_to_kernel(uint8_t port);

  /// Over all workers.
  uint64_t dropped(dataplane::DropReason reason) const;
  uint64_t dropped() const;
  uint64_t received() const;
  uint64_t transmitted() const;
  uint64_t originated() const;
  uint64_t consumed() const;
  /// Of worker 0, by BackendId.
  const lb::TargetCounters& backend(lb::BackendId id) const { return stations_[0]->backends()[id]; }

  /// Over all workers, what went to a service's backends.
  uint64_t service_packets(lb::ServiceId id) const;

  dataplane::LedgerPlane ledger() { return dataplane::LedgerPlane(*ledger_); }
  dataplane::LedgerStation& ledger_station() { return *ledger_; }
  dataplane::Worker& worker(unsigned index = 0) { return stations_[index]->worker(); }
  dataplane::CheckLanes& checks() { return checks_; }
  dataplane::Notices& notices(unsigned index = 0) { return stations_[index]->notices(); }
  unsigned workers() const { return static_cast<unsigned>(stations_.size()); }
  /// Of a worker without transmit queues: what it has handed to worker 0 to be sent. Nobody else takes it.
  dataplane::PacketRing& handed_over_by(unsigned index) { return *worker(0).from_transmit[index]; }
  /// New Tables, adopted at once.
  void publish(std::shared_ptr<dataplane::Tables> tables);
  /// Every worker shows packets to these from now on; they outlive this, or the next call.
  void capture(const dataplane::Captures* captures);
  void advance_ms(uint32_t milliseconds) { now_ms_ += milliseconds; }
  /// Packet buffers that are somewhere in the gateway; 0 whenever nothing waits.
  unsigned buffers_in_use() const;

 private:
  struct Device;
  void connect(const GatewayShape& shape);
  void connect_ledger(const GatewayShape& shape);
  rte_mbuf* buffer_with(const Bytes& bytes);
  std::vector<Bytes> drain(Device& device);

  std::shared_ptr<dataplane::Tables> tables_;
  GatewayShape shape_;
  rte_mempool* pool_ = nullptr;
  std::vector<std::unique_ptr<Device>> devices_;  ///< edge, core, and their taps
  std::vector<dataplane::TransmitDevice> ports_, taps_;
  std::vector<std::vector<dataplane::ReceiveQueue>> receive_queues_;  ///< by worker
  dataplane::CheckLanes checks_;
  std::vector<lb::SharedCount> service_flows_ = std::vector<lb::SharedCount>(64);
  std::vector<lb::SharedCount> backend_flows_ = std::vector<lb::SharedCount>(64);
  std::vector<std::unique_ptr<dataplane::Station>> stations_;
  std::vector<std::unique_ptr<dataplane::PacketRing>> rings_;
  std::unique_ptr<dataplane::LedgerStation> ledger_;
  uint32_t now_ms_ = 1000;
};

}  // namespace sluice::test
