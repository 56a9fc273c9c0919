// All that belongs to one worker: its memory, its counters, its state, its request ring. Made and destroyed
// by the control thread while the worker's thread does not run.
#pragma once

#include <memory>
#include <span>

#include "dataplane/base/mapped_array.h"
#include "dataplane/base/worker_limits.h"
#include "dataplane/inspect/inspect_worker.h"
#include "dataplane/worker/worker.h"
#include "lb/flow_admission.h"
#include "lb/handshake_watch.h"

namespace sluice::dataplane {

/// What a station is made from. The spans outlive it.
struct StationPlan {
  WorkerPlace place;
  int numa_node = -1;
  uint32_t flow_table_entries = 0;
  uint64_t flow_hash_seed = 0;  ///< the same for all, for hashes travel with packets
  uint64_t neighbor_seed = 0;   ///< of hashes that stay with the worker
  rte_mempool* pool = nullptr;
  std::span<const ReceiveQueue> receive_queues;
  std::span<const TransmitDevice> devices;
  std::span<const TransmitDevice> taps;
  SpscRing<rte_mbuf*>* to_transmit = nullptr;
  CheckLane* checks = nullptr;  ///< null: none
  WorkerLimits limits = {};
  lb::SharedFlowCounts flow_counts = {};  ///< all workers' together
};

class Station {
 public:
  static constexpr size_t kQuestions = 64;  ///< that may wait for one worker

  static Result<std::unique_ptr<Station>> create(const StationPlan& plan);
  ~Station();

  Worker& worker() { return *worker_; }
  const Worker& worker() const { return *worker_; }
  SpscRing<WorkerRequest*>& requests() { return requests_; }
  Notices& notices() { return notices_; }
  const Notices& notices() const { return notices_; }
  size_t flow_capacity() const { return flows_.elements().size(); }
  std::span<const lb::TargetCounters> services() const { return services_.elements(); }
  std::span<const lb::AnswerCounters> answers() const { return answers_.elements(); }
  std::span<const lb::TargetCounters> backends() const { return backends_.elements(); }
  lb::HandshakeWatch& handshakes() { return *handshakes_; }
  const lb::HandshakeWatch& handshakes() const { return *handshakes_; }

 private:
  explicit Station(unsigned index) : watch_(index), drops_(stats_) {}
  Result<void> map_arrays(const StationPlan& plan);
  Result<void> map_handshakes(const StationPlan& plan);
  Result<void> map_inspected(const StationPlan& plan);

  WorkerStats stats_;
  PacketWatch watch_;
  Drops drops_;
  Notices notices_;
  MappedArray<lb::FlowEntry> flows_;
  MappedArray<lb::Addresses6> addresses6_;
  MappedArray<lb::FlowAccount> flow_accounts_;  ///< of `accounts_`, as the next
  MappedArray<lb::FlowCounts> flow_counts_told_;
  std::unique_ptr<lb::FlowAccounts> accounts_;
  MappedArray<lb::FlowTable::Bucket> buckets_;
  MappedArray<lb::TargetCounters> services_;
  MappedArray<lb::TargetCounters> backends_;
  MappedArray<uint32_t> cursors_;
  MappedArray<lb::AnswerCounters> answers_;
  MappedArray<lb::PendingHandshake> pending_handshakes_;  ///< of `handshakes_`, as the next four
  MappedArray<uint32_t> handshake_marks_;
  MappedArray<lb::PendingResponse> pending_responses_;
  MappedArray<lb::HandshakeTimes> handshake_times_;
  MappedArray<lb::AnswerTime> answer_times_;
  std::unique_ptr<lb::HandshakeWatch> handshakes_;
  MappedArray<KnownPath> paths_;
  MappedArray<uint8_t> counted_services_;  ///< of lb::FlowAdmission
  MappedArray<uint8_t> counted_backends_;
  std::unique_ptr<lb::FlowAdmission> admission_;
  MappedArray<DropRecord> drop_records_;
  SpscRing<WorkerRequest*> requests_{kQuestions};
  MappedArray<InspectedFlow> inspected_flows_;  ///< of `inspection_`, as the next two
  MappedArray<InspectWorker::Number> inspected_of_flow_;
  MappedArray<InspectWorker::Number> inspected_ended_;
  std::unique_ptr<InspectWorker> inspection_;
  std::shared_ptr<EspWorker> esp_;  ///< shared only to be declared here, and defined where it is made
  std::unique_ptr<Worker> worker_;
};

}  // namespace sluice::dataplane
