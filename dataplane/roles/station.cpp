#include "dataplane/roles/station.h"

#include <algorithm>
#include <bit>

#include "dataplane/esp/esp_worker.h"

namespace sluice::dataplane {
namespace {

template <typename T>
Result<void> map_array(MappedArray<T>& array, size_t count, int numa_node, bool huge) {
  auto mapped = MappedArray<T>::create(count, numa_node, huge);
  if (!mapped) return tl::unexpected(mapped.error());
  array = std::move(*mapped);
  return {};
}

}  // namespace

Result<void> Station::map_arrays(const StationPlan& plan) {
  const size_t entries = plan.place.balances ? plan.flow_table_entries : 1;  // others never look a flow up
  return map_array(flows_, entries, plan.numa_node, true)
      .and_then([&] { return map_array(addresses6_, entries, plan.numa_node, true); })
      .and_then([&] { return map_array(flow_accounts_, entries, plan.numa_node, true); })
      .and_then([&] { return map_array(flow_counts_told_, entries, plan.numa_node, false); })
      .and_then(
          [&] { return map_array(buckets_, lb::FlowTable::buckets_for(entries), plan.numa_node, true); })
      .and_then([&] { return map_array(services_, lb::kMaxServices, plan.numa_node, false); })
      .and_then([&] { return map_array(backends_, lb::kMaxBackends, plan.numa_node, false); })
      .and_then([&] { return map_array(cursors_, lb::kMaxPools, plan.numa_node, false); })
      .and_then([&] { return map_array(answers_, lb::kMaxServices, plan.numa_node, false); })
      .and_then([&] { return map_array(counted_services_, lb::kMaxServices, plan.numa_node, false); })
      .and_then([&] { return map_array(counted_backends_, lb::kMaxBackends, plan.numa_node, false); })
      .and_then([&] { return map_handshakes(plan); })
      .and_then([&] { return map_inspected(plan); })
      .and_then([&] { return map_array(paths_, KnownPaths::kPlaces, plan.numa_node, false); })
      .and_then([&] { return map_array(drop_records_, DropRecorder::kRecords, plan.numa_node, false); });
}

Result<void> Station::map_handshakes(const StationPlan& plan) {
  // As many as can begin while one of them waits to be given up.
  constexpr size_t kMostPending = size_t{1} << 18;
  const size_t entries = plan.place.balances ? plan.flow_table_entries : 1;
  const size_t pending = std::min(std::bit_ceil(entries), kMostPending);
  return map_array(pending_handshakes_, pending, plan.numa_node, false)
      .and_then([&] { return map_array(handshake_marks_, pending, plan.numa_node, false); })
      .and_then([&] { return map_array(pending_responses_, pending, plan.numa_node, false); })
      .and_then([&] { return map_array(handshake_times_, lb::kMaxServices, plan.numa_node, false); })
      .and_then([&] { return map_array(answer_times_, lb::kMaxBackends, plan.numa_node, false); })
      .map([&] {
        handshakes_ = std::make_unique<lb::HandshakeWatch>(lb::HandshakeWatch::Memory{
            pending_handshakes_.elements(), handshake_marks_.elements(), pending_responses_.elements(),
            handshake_times_.elements(), answer_times_.elements()});
      });
}

Result<void> Station::map_inspected(const StationPlan& plan) {
  if (!plan.place.balances) return {};
  const size_t entries = plan.flow_table_entries;
  return map_array(inspected_flows_, entries, plan.numa_node, false)
      .and_then([&] { return map_array(inspected_of_flow_, entries, plan.numa_node, false); })
      .and_then([&] { return map_array(inspected_ended_, entries, plan.numa_node, false); })
      .map([&] {
        inspection_ = std::make_unique<InspectWorker>(InspectWorker::Memory{
            inspected_flows_.elements(), inspected_of_flow_.elements(), inspected_ended_.elements()});
      });
}

Station::~Station() {
  worker_.reset();
  drops_.free_pending();
}

Result<std::unique_ptr<Station>> Station::create(const StationPlan& plan) {
  std::unique_ptr<Station> station(new Station(plan.place.index));
  if (auto mapped = station->map_arrays(plan); !mapped) return tl::unexpected(mapped.error());
  if (plan.place.balances && !plan.flow_counts.services.empty()) {
    station->admission_ = std::make_unique<lb::FlowAdmission>(
        lb::FlowAdmission::Memory{plan.flow_counts, station->services_.elements(),
                                  station->backends_.elements(), station->counted_services_.elements(),
                                  station->counted_backends_.elements()},
        plan.place.balancer);
  }
  const lb::Balancer::Memory memory{station->flows_.elements(),    station->addresses6_.elements(),
                                    station->buckets_.elements(),  station->services_.elements(),
                                    station->backends_.elements(), station->cursors_.elements(),
                                    station->answers_.elements(),  station->admission_.get()};
  const lb::PortSlice ports =
      plan.place.balances ? lb::port_slice(plan.place.balancer, plan.place.balancers) : lb::PortSlice{};
  station->worker_.reset(new Worker{
      .place = plan.place,
      .receive_queues = plan.receive_queues,
      .balancer = lb::Balancer(memory, ports, plan.flow_hash_seed),
      .neighbors = Neighbors(plan.pool, station->drops_, station->notices_, plan.neighbor_seed),
      .mld = MldReporter(plan.pool, plan.neighbor_seed),
      .paths = KnownPaths(station->paths_.elements()),
      .transmit = Transmit(plan.devices, plan.taps, static_cast<uint16_t>(plan.place.index), plan.to_transmit,
                           station->drops_, station->stats_),
      .drops = station->drops_,
      .stats = station->stats_,
      .watch = station->watch_,
      .pool = plan.pool,
      .requests = &station->requests_,
      .checks = plan.checks,
      .admission = station->admission_.get(),
      .kernel_budget = TokenBucket(plan.limits.kernel),
      .icmp_error_budget = TokenBucket(plan.limits.icmp_errors),
      .echo_budget = TokenBucket(plan.limits.echo),
      .neighbor_copies = NeighborCopies(plan.limits.neighbor_copies),
  });
  if (auto gcm = crypto::AesGcm::create()) {
    station->esp_ = std::make_shared<EspWorker>(std::move(*gcm));
    station->worker_->esp = station->esp_.get();
  }
  station->worker_->balancer.watch(*station->handshakes_);
  if (station->inspection_ != nullptr) {
    station->worker_->inspection = station->inspection_.get();
    station->worker_->balancer.tell_ends_to(station->inspection_->attachments);
  }
  if (plan.place.balances) {
    station->accounts_ = std::make_unique<lb::FlowAccounts>(station->flow_accounts_.elements(),
                                                            station->flow_counts_told_.elements());
    station->worker_->accounts = station->accounts_.get();
  }
  station->drops_.show_to(station->watch_);
  station->drops_.record_in(station->drop_records_.elements());
  station->worker_->transmit.show_to(station->watch_);
  return station;
}

}  // namespace sluice::dataplane
