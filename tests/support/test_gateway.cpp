#include "tests/support/test_gateway.h"

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <time.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "dataplane/base/packet.h"
#include "dataplane/stages/account.h"
#include "dataplane/stages/encapsulate.h"
#include "dataplane/stages/inspect.h"
#include "dataplane/stages/police.h"

namespace sluice::test {
namespace {

using dataplane::PacketMeta;
using dataplane::Station;
using dataplane::StationPlan;
using dataplane::Worker;
using dataplane::WorkerPlace;

constexpr unsigned kBuffers = 4095;
constexpr uint16_t kDataRoom = 2048 + RTE_PKTMBUF_HEADROOM;
constexpr unsigned kDeviceRing = 1024;

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "%s failed\n", what);
  std::abort();
}

void start_eal() {
  static const bool started = [] {
    const std::string prefix = "--file-prefix=sluice-test-" + std::to_string(getpid());
    const char* arguments[] = {"test",        "--no-huge",       "-m",           "256",  "--no-pci",
                               "--no-shconf", "--log-level=err", prefix.c_str(), nullptr};
    if (rte_eal_init(std::size(arguments) - 1, const_cast<char**>(arguments)) < 0) return false;
    // EAL leaves its runtime directory behind, which is named after this process.
    std::atexit([] {
      std::error_code ignored;
      std::filesystem::remove_all(rte_eal_get_runtime_dir(), ignored);
    });
    return true;
  }();
  if (!started) give_up("rte_eal_init");
}

/// Names of rings and pools are of the process.
std::string unique_name(const char* kind) {
  static unsigned count = 0;
  return std::string(kind) + std::to_string(count++);
}

rte_ring* make_ring() {
  rte_ring* ring =
      rte_ring_create(unique_name("ring").c_str(), kDeviceRing, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  if (ring == nullptr) give_up("rte_ring_create");
  return ring;
}

}  // namespace

/// A device with one queue each way for every worker.
struct TestGateway::Device {
  Device(unsigned queues, rte_mempool* pool) {
    for (unsigned i = 0; i < queues; ++i) {
      in.push_back(make_ring());
      out.push_back(make_ring());
    }
    const int made = rte_eth_from_rings(unique_name("dev").c_str(), in.data(), queues, out.data(), queues, 0);
    if (made < 0) give_up("rte_eth_from_rings");
    id = static_cast<uint16_t>(made);
    const rte_eth_conf configuration{};
    const auto count = static_cast<uint16_t>(queues);
    bool ready = rte_eth_dev_configure(id, count, count, &configuration) == 0;
    for (uint16_t i = 0; i < count; ++i) {
      ready = ready && rte_eth_rx_queue_setup(id, i, 64, SOCKET_ID_ANY, nullptr, pool) == 0 &&
              rte_eth_tx_queue_setup(id, i, 64, SOCKET_ID_ANY, nullptr) == 0;
    }
    if (!ready || rte_eth_dev_start(id) != 0) give_up("setting up a ring device");
  }
  ~Device() {
    rte_eth_dev_stop(id);
    rte_eth_dev_close(id);
    for (auto* rings : {&in, &out}) {
      for (rte_ring* ring : *rings) {
        void* frame;
        while (rte_ring_dequeue(ring, &frame) == 0) rte_pktmbuf_free(static_cast<rte_mbuf*>(frame));
        rte_ring_free(ring);
      }
    }
  }
  uint16_t id;
  std::vector<rte_ring*> in, out;
};

TestGateway::TestGateway(std::shared_ptr<dataplane::Tables> tables, const GatewayShape& shape)
    : tables_(std::move(tables)), shape_(shape) {
  start_eal();
  pool_ = rte_pktmbuf_pool_create(unique_name("pool").c_str(), kBuffers, 0, sizeof(PacketMeta), kDataRoom,
                                  SOCKET_ID_ANY);
  if (pool_ == nullptr) give_up("rte_pktmbuf_pool_create");
  connect(shape);
  if (shape.ledger != nullptr) connect_ledger(shape);
  publish(tables_);
}

void TestGateway::connect(const GatewayShape& shape) {
  const unsigned workers = shape.rx_workers + shape.lb_workers;
  for (int i = 0; i < 4; ++i) devices_.push_back(std::make_unique<Device>(workers, pool_));
  const auto queues = shape.transmit_queues != 0 ? shape.transmit_queues : static_cast<uint16_t>(workers);
  ports_ = {{devices_[0]->id, queues}, {devices_[1]->id, queues}};
  taps_ = {{devices_[2]->id, queues}, {devices_[3]->id, queues}};
  receive_queues_.resize(workers);
  for (unsigned i = 0; i < shape.rx_workers; ++i) {
    for (const uint8_t port : {kEdge, kCore}) {
      receive_queues_[i].push_back({devices_[port]->id, static_cast<uint16_t>(i), port});
    }
  }
  const bool apart = shape.lb_workers > 0;
  std::vector<dataplane::PacketRing*> to_transmit(workers);
  for (unsigned i = 0; i < workers; ++i) {
    const bool receives = i < shape.rx_workers;
    StationPlan plan;
    plan.place = {.index = i,
                  .balancer = receives ? i : i - shape.rx_workers,
                  .balancers = apart ? shape.lb_workers : shape.rx_workers,
                  .rx_workers = shape.rx_workers,
                  .receives = receives,
                  .balances = !apart || !receives,
                  .owns_by_client = apart || shape.splits_flows};
    plan.flow_table_entries = shape.flow_table_entries;
    plan.flow_hash_seed = 0x5eed;
    plan.flow_counts = {service_flows_, backend_flows_};
    plan.pool = pool_;
    plan.receive_queues = receive_queues_[i];
    plan.devices = ports_;
    plan.taps = taps_;
    if (plan.place.balances) plan.checks = &checks_.add();
    if (i >= queues) {
      rings_.push_back(std::make_unique<dataplane::PacketRing>(shape.ring_size));
      plan.to_transmit = rings_.back().get();
      to_transmit[i] = plan.to_transmit;
    }
    auto station = Station::create(plan);
    if (!station) give_up("Station::create");
    stations_.push_back(std::move(*station));
  }
  for (auto& station : stations_) {
    station->worker().to_worker.resize(workers);
    station->worker().from_worker.resize(workers);
  }
  worker(0).from_transmit = to_transmit;
  for (unsigned from = 0; from < workers; ++from) {
    for (unsigned to = 0; to < workers; ++to) {
      if (from == to) continue;
      rings_.push_back(std::make_unique<dataplane::PacketRing>(shape.ring_size));
      worker(from).to_worker[to] = rings_.back().get();
      worker(to).from_worker[from] = rings_.back().get();
    }
  }
}

void TestGateway::connect_ledger(const GatewayShape& shape) {
  const bool apart = shape.hash_workers > 0;
  const std::vector<rte_mempool*> pools(apart ? shape.hash_workers : shape.rx_workers, pool_);
  const std::vector<uint16_t> mtus{tables_->ports[kEdge].mtu, tables_->ports[kCore].mtu};
  auto made = dataplane::LedgerStation::create(
      {.config = *shape.ledger, .files = *shape.ledger_files, .pools = pools, .port_mtus = mtus});
  if (!made) give_up(made.error().message.c_str());
  ledger_ = std::move(*made);
  for (unsigned i = 0; i < shape.rx_workers; ++i) {
    std::vector<dataplane::PacketRing*> to_hash, from_hash;
    for (size_t j = 0; j < pools.size(); ++j) {
      for (auto* to : {&to_hash, &from_hash}) {
        rings_.push_back(std::make_unique<dataplane::PacketRing>(shape.ring_size));
        to->push_back(rings_.back().get());
      }
    }
    ledger_->connect(worker(i), to_hash, from_hash);
    if (!apart) worker(i).hash = &ledger_->hash_worker(i);
  }
  if (auto started = ledger_->start(tables_->ingress); !started) give_up(started.error().message.c_str());
}

TestGateway::~TestGateway() {
  if (ledger_ != nullptr) ledger_->stop();
  ledger_.reset();
  for (auto& station : stations_) {
    dataplane::give_up_inspection(station->worker());
    station->worker().neighbors.give_up();
  }
  stations_.clear();
  for (auto& ring : rings_) {
    rte_mbuf* packet;
    while (ring->pop({&packet, 1}) == 1) rte_pktmbuf_free(packet);
  }
  devices_.clear();
  rte_mempool_free(pool_);
}

void TestGateway::publish(std::shared_ptr<dataplane::Tables> tables) {
  // The old ones are held until all have let go.
  for (auto& station : stations_) {
    Worker& worker = station->worker();
    worker.tables = tables.get();
    worker.now_ms = now_ms_;
    dataplane::find_tunnels_anew(worker);
    worker.neighbors.adopt_static(*tables, now_ms_, worker.transmit);
    dataplane::adopt_rules(worker);
    dataplane::account_flows(worker);
    dataplane::adopt_inspections(worker);
  }
  tables_ = std::move(tables);
}

void TestGateway::capture(const dataplane::Captures* captures) {
  for (auto& station : stations_) {
    station->worker().watch.adopt(captures);
    station->worker().neighbors.next_version();
  }
}

rte_mbuf* TestGateway::buffer_with(const Bytes& bytes) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool_);
  if (packet == nullptr) give_up("rte_pktmbuf_alloc");
  packet->data_off = shape_.headroom;
  char* room = rte_pktmbuf_append(packet, static_cast<uint16_t>(bytes.size()));
  if (room == nullptr) give_up("rte_pktmbuf_append");
  std::copy(bytes.begin(), bytes.end(), room);
  return packet;
}

void TestGateway::put(uint8_t port, const Bytes& frame, unsigned worker) {
  if (rte_ring_enqueue(devices_[port]->in[worker], buffer_with(frame)) != 0) give_up("rte_ring_enqueue");
}

void TestGateway::put_in_two_segments(uint8_t port, const Bytes& frame) {
  const auto middle = frame.begin() + static_cast<long>(frame.size() / 2);
  rte_mbuf* head = buffer_with(Bytes(frame.begin(), middle));
  if (rte_pktmbuf_chain(head, buffer_with(Bytes(middle, frame.end()))) != 0) give_up("rte_pktmbuf_chain");
  if (rte_ring_enqueue(devices_[port]->in[0], head) != 0) give_up("rte_ring_enqueue");
}

void TestGateway::poll() {
  for (auto& station : stations_) {
    Worker& worker = station->worker();
    worker.now_ms = now_ms_;
    worker.now_ns = uint64_t{now_ms_} * 1'000'000;
    if (worker.accounts != nullptr) worker.accounts->set_time(worker.now_ns, now_ms_);
    worker.place.receives ? poll_rx_worker(worker) : poll_lb_worker(worker);
    if (worker.place.balances) dataplane::sweep_flows(worker);
    if (worker.place.balances) dataplane::sweep_uninspected_flows(worker);
    dataplane::tidy_inspection(worker);
    dataplane::send_encrypted(worker);
    worker.transmit.flush();
    worker.drops.free_pending();
  }
  for (unsigned i = 0; i < shape_.hash_workers; ++i) {
    ledger_->hash_worker(i).poll(uint64_t{now_ms_} * 1'000'000);
  }
}

bool TestGateway::eventually(const std::function<bool()>& is_so) {
  constexpr unsigned kPatienceMs = 20'000;
  for (unsigned waited = 0; waited < kPatienceMs; ++waited) {
    settle();
    if (is_so()) return true;
    const timespec millisecond{0, 1'000'000};
    nanosleep(&millisecond, nullptr);
  }
  return false;
}

void TestGateway::settle() {
  // A packet crosses at most as many rings as there are workers, and every crossing is one poll. A
  // transaction crosses four up to its block.
  for (unsigned i = 0; i <= 2 * workers() + 4; ++i) poll();
}

void TestGateway::receive(uint8_t port, const Bytes& frame, unsigned worker) {
  put(port, frame, worker);
  settle();
}

std::vector<Bytes> TestGateway::drain(Device& device) {
  std::vector<Bytes> frames;
  for (rte_ring* ring : device.out) {
    void* item;
    while (rte_ring_dequeue(ring, &item) == 0) {
      auto* packet = static_cast<rte_mbuf*>(item);
      const auto* bytes = rte_pktmbuf_mtod(packet, const uint8_t*);
      if (packet->nb_segs != 1 || packet->pkt_len != packet->data_len) give_up("a sent frame in one segment");
      frames.emplace_back(bytes, bytes + packet->data_len);
      rte_pktmbuf_free(packet);
    }
  }
  return frames;
}

std::vector<Bytes> TestGateway::sent(uint8_t port) {
  return drain(*devices_[port]);
}

std::vector<Bytes> TestGateway::sent_to_kernel(uint8_t port) {
  return drain(*devices_[2 + port]);
}

uint64_t TestGateway::dropped(dataplane::DropReason reason) const {
  uint64_t sum = 0;
  for (const auto& station : stations_) {
    sum += station->worker().stats.dropped[static_cast<size_t>(reason)].read();
  }
  return sum;
}

uint64_t TestGateway::dropped() const {
  uint64_t sum = 0;
  for (size_t i = 0; i < dataplane::kDropReasons; ++i) sum += dropped(static_cast<dataplane::DropReason>(i));
  return sum;
}

uint64_t TestGateway::received() const {
  uint64_t sum = 0;
  for (const auto& station : stations_) {
    for (const auto& port : station->worker().stats.ports) sum += port.received_packets.read();
  }
  return sum;
}

uint64_t TestGateway::transmitted() const {
  uint64_t sum = 0;
  for (const auto& station : stations_) {
    for (const auto& port : station->worker().stats.ports) sum += port.transmitted_packets.read();
  }
  return sum;
}

uint64_t TestGateway::originated() const {
  uint64_t sum = 0;
  for (const auto& station : stations_) sum += station->worker().stats.originated.read();
  return sum;
}

uint64_t TestGateway::service_packets(lb::ServiceId id) const {
  uint64_t sum = 0;
  for (const auto& station : stations_) sum += station->services()[id].packets.read();
  return sum;
}

uint64_t TestGateway::consumed() const {
  uint64_t sum = 0;
  for (const auto& station : stations_) sum += station->worker().stats.consumed.read();
  return sum;
}

unsigned TestGateway::buffers_in_use() const {
  return rte_mempool_in_use_count(pool_);
}

}  // namespace sluice::test
