#include "perf/worker_rig.h"

#include <rte_eal.h>
#include <rte_mbuf.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "dataplane/stages/account.h"
#include "dataplane/stages/police.h"
#include "dataplane/worker/packet_pool.h"
#include "perf/traffic.h"

namespace sluice::perf {
namespace {

std::string backend_address(const Duty& duty, unsigned number) {
  const std::string last = std::to_string(11 + number);
  return (duty.v6 ? "fd20::" : "10.20.0.") + last;
}

test::ServiceSpec main_service(const Duty& duty) {
  test::ServiceSpec spec;
  spec.address = duty.fed_by_flowgen ? "10.253.0.0/16" : duty.v6 ? test::kIpv6.vip : test::kIpv4.vip;
  spec.first_port = duty.fed_by_flowgen ? 0 : 80;
  spec.last_port = duty.fed_by_flowgen ? 65535 : 80;
  spec.protocol = duty.protocol;
  spec.forward = duty.forward;
  spec.policy = duty.policy;
  spec.idle_timeout_ms = 3'600'000;  // a peer's turn is no idleness
  for (unsigned i = 0; i < duty.backends; ++i) spec.backends.push_back({backend_address(duty, i), 8080});
  return spec;
}

}  // namespace

void give_up(const char* what) {
  std::fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
  std::exit(EXIT_FAILURE);
}

void start_eal(const std::vector<std::string>& arguments) {
  std::vector<char*> pointers;
  for (const std::string& argument : arguments) pointers.push_back(const_cast<char*>(argument.c_str()));
  pointers.push_back(nullptr);
  if (rte_eal_init(static_cast<int>(arguments.size()), pointers.data()) < 0) give_up("rte_eal_init failed");
}

std::string memory_argument() {
  std::ifstream file("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages");
  unsigned free_pages = 0;
  return file >> free_pages && free_pages >= 32 ? "--in-memory" : "--no-huge";
}

rte_mempool* make_pool(unsigned buffers, uint16_t data_room, unsigned cache) {
  const dataplane::PoolSize size{buffers, static_cast<uint16_t>(data_room + RTE_PKTMBUF_HEADROOM)};
  static unsigned made = 0;
  const std::string name = "perf" + std::to_string(made++);
  rte_mempool* const pool = dataplane::create_buffers(name.c_str(), size, cache, SOCKET_ID_ANY);
  if (pool == nullptr) give_up("create_buffers failed");
  return pool;
}

std::shared_ptr<dataplane::Tables> tables_for(const Duty& duty) {
  std::vector<test::ServiceSpec> specs = {main_service(duty)};
  for (unsigned i = 1; i < duty.services; ++i) {
    test::ServiceSpec other = specs.front();
    other.address = service_address(i).to_string();
    other.backends.resize(1);
    specs.push_back(other);
  }
  auto tables = test::make_tables(specs);
  if (duty.fed_by_flowgen) tables->ports[test::kEdge].mac = *MacAddress::parse("00:01:02:03:04:01");
  give_rules(*tables, duty.rules);
  if (duty.is_accounted) {
    tables->flow_reading = std::make_shared<const dataplane::FlowReading>(
        dataplane::FlowReading{std::make_shared<dataplane::FlowLanes>(1), {lb::FlowShare::of(1)}});
  }
  tables->neighbors.clear();
  const char* const router = duty.v6 ? test::kIpv6.router : test::kIpv4.router;
  tables->neighbors.push_back({test::kEdge, *IpAddress::parse(router), *MacAddress::parse(test::kRouterMac)});
  for (unsigned i = 0; i < duty.backends; ++i) {
    const std::string address = backend_address(duty, i);
    MacAddress mac = *MacAddress::parse("02:00:00:00:20:00");
    mac.bytes[5] = static_cast<uint8_t>(11 + i);
    tables->neighbors.push_back({test::kCore, *IpAddress::parse(address), mac});
  }
  return tables;
}

WorkerRig::WorkerRig(const Duty& duty, rte_mempool* pool, uint16_t device)
    : WorkerRig(tables_for(duty), duty.flow_table_entries, dataplane::WorkerPlace{}, pool, device) {}

WorkerRig::WorkerRig(std::shared_ptr<dataplane::Tables> tables, unsigned index, unsigned workers,
                     rte_mempool* pool, uint16_t device)
    : WorkerRig(std::move(tables), Duty{}.flow_table_entries,
                {.index = index, .balancer = index, .balancers = workers, .rx_workers = workers}, pool,
                device) {}

WorkerRig::WorkerRig(std::shared_ptr<dataplane::Tables> tables, uint32_t flow_table_entries,
                     const dataplane::WorkerPlace& place, rte_mempool* pool, uint16_t device)
    : tables_(std::move(tables)) {
  const auto queues = static_cast<uint16_t>(place.rx_workers);
  devices_ = {{device, queues}, {device, queues}};
  queues_ = {{device, static_cast<uint16_t>(place.index), test::kEdge}};
  dataplane::StationPlan plan;
  plan.place = place;
  plan.flow_table_entries = flow_table_entries;
  plan.flow_hash_seed = 0x5eed;
  plan.pool = pool;
  plan.receive_queues = queues_;
  plan.devices = devices_;
  if (tables_->rules != nullptr) {
    service_flows_ = std::vector<lb::SharedCount>(tables_->services->size());
    backend_flows_ = std::vector<lb::SharedCount>(tables_->backends->size());
    plan.flow_counts = {service_flows_, backend_flows_};
  }
  auto station = dataplane::Station::create(plan);
  if (!station) give_up("Station::create failed");
  station_ = std::move(*station);
  dataplane::Worker& worker = station_->worker();
  worker.tables = tables_.get();
  worker.neighbors.adopt_static(*tables_, 0, worker.transmit);
  dataplane::adopt_rules(worker);
  while (dataplane::sweep_flows(worker)) {
  }
  dataplane::account_flows(worker);
}

uint64_t WorkerRig::dropped() const {
  uint64_t sum = 0;
  for (const Counter& reason : station_->worker().stats.dropped) sum += reason.read();
  return sum;
}

}  // namespace sluice::perf
