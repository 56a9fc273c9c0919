// The ledger ingress end to end: frames that lie ready, framing, two hashes, dedupe, blocks, the tree, and a
// journal in a folder of SLUICE_BENCH_DIRECTORY (else /dev/shm). One worker and one hash worker on a CPU
// each, or in one thread (`in_place`); the journal's threads run where they find room. 256-byte opaque
// transactions, no two alike. SLUICE_BENCH_SHA256 forces an engine.
//
// An item is a transaction that is durable, its time the wall clock's. The counters are what one cost each
// thread, in nanoseconds on a CPU while it had work, without what reading the clock costs: the slowest one is
// what a machine with a CPU for each is held up by.
#include <benchmark/benchmark.h>
#include <pthread.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <sched.h>
#include <sys/prctl.h>
#include <time.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "dataplane/base/nanosecond_clock.h"
#include "dataplane/roles/ledger_plane.h"
#include "dataplane/roles/ledger_station.h"
#include "dataplane/stages/receive.h"
#include "dataplane/stages/send_answers.h"
#include "dataplane/stages/submit.h"
#include "perf/worker_rig.h"
#include "tests/support/packet_builder.h"

namespace sluice::perf {
namespace {

using dataplane::Framing;
using dataplane::kBurst;
using dataplane::PacketRing;
using test::Bytes;

constexpr unsigned kBuffers = 4096;
constexpr uint16_t kPort = 5683;
constexpr size_t kPayload = 256;
constexpr uint32_t kPorts = 64;  ///< of the client
constexpr size_t kUdp = 14 + 20;
constexpr size_t kMessage = kUdp + 8;
constexpr unsigned kReceiver = 1, kHasher = 2;  ///< lcores
constexpr int64_t kTransactions = 262'144;      ///< in an iteration
constexpr uint64_t kMostInFlight = 6 * 4096;    ///< of the eight blocks that the ledger has room for

uint64_t now_ns(clockid_t clock) {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

/// Time of the calling thread on a CPU, between begin() and end() alone.
class BusyTime {
 public:
  void begin() { begun_ = now_ns(CLOCK_THREAD_CPUTIME_ID); }
  void end() {
    const uint64_t span = now_ns(CLOCK_THREAD_CPUTIME_ID) - begun_;
    sum_ += span - std::min(span, clock_ns());
  }
  uint64_t ns() const { return sum_; }

 private:
  /// What the clock says of nothing: a system call.
  static uint64_t clock_ns() {
    static const uint64_t least = [] {
      uint64_t best = UINT64_MAX;
      for (int i = 0; i < 1000; ++i) {
        const uint64_t before = now_ns(CLOCK_THREAD_CPUTIME_ID);
        best = std::min(best, now_ns(CLOCK_THREAD_CPUTIME_ID) - before);
      }
      return best;
    }();
    return least;
  }
  uint64_t begun_ = 0;
  uint64_t sum_ = 0;
};

// Who has to wait leaves the CPU to the others: there may be fewer CPUs than threads. A nap costs several
// microseconds of a CPU, so none is shorter than it must be: during a worker's, the ring between them, of 512
// packets, neither fills up nor runs dry.
constexpr long kWorkerNapNs = 50'000;
constexpr long kWatcherNapNs = 1'000'000;

void nap(long ns) {
  const timespec moment{0, ns};
  nanosleep(&moment, nullptr);
}

/// Where answers go, and nobody listens.
uint16_t sink_device(rte_mempool* pool) {
  uint16_t device = 0;
  const rte_eth_conf configuration{};
  if (rte_eal_hotplug_add("vdev", "net_null0", "") != 0 ||
      rte_eth_dev_get_port_by_name("net_null0", &device) != 0 ||
      rte_eth_dev_configure(device, 1, 1, &configuration) != 0 ||
      rte_eth_rx_queue_setup(device, 0, 64, SOCKET_ID_ANY, nullptr, pool) != 0 ||
      rte_eth_tx_queue_setup(device, 0, 64, SOCKET_ID_ANY, nullptr) != 0 || rte_eth_dev_start(device) != 0)
    give_up("the device for answers does not start");
  return device;
}

/// What a NIC would lay into buffers: transaction after transaction, each in a frame of its own.
class Frames {
 public:
  explicit Frames(Framing framing) {
    Bytes message =
        framing == Framing::kCoap ? Bytes{0x42, 0x02, 0, 0, 0xab, 0xcd, 0xb2, 't', 'x', 0xff} : Bytes{};
    is_coap_ = framing == Framing::kCoap;
    head_ = message.size();
    message.resize(head_ + kPayload, 0x5a);
    frame_ = test::ethernet({test::kRouterMac, test::kEdgeMac},
                            test::ip(test::kIpv4.client, test::kIpv4.vip).udp(0, kPort).payload(message));
  }
  void write(rte_mbuf* packet) {
    auto* const bytes = rte_pktmbuf_mtod(packet, uint8_t*);
    std::memcpy(bytes, frame_.data(), frame_.size());
    packet->data_len = static_cast<uint16_t>(frame_.size());
    packet->pkt_len = packet->data_len;
    packet->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;
    // A client's next Message ID, and its next port when those are used up.
    store(bytes + kUdp, Be16::from_host(static_cast<uint16_t>(40'000 + (number_ >> 16) % kPorts)));
    if (is_coap_) store(bytes + kMessage + 2, Be16::from_host(static_cast<uint16_t>(number_)));
    store(bytes + kMessage + head_, number_++);
  }

 private:
  Bytes frame_;
  bool is_coap_ = false;
  size_t head_ = 0;
  uint64_t number_ = 0;
};

/// Who hashes: a thread of its own, or the worker that receives.
enum class Hashing { kHandedOver, kInPlace };

/// The ledger ingress of one worker, its log in a folder of its own.
class Ingress {
 public:
  Ingress(Framing framing, Hashing hashing, rte_mempool* pool, uint16_t device);
  ~Ingress();

  /// Returns once that many more transactions have ended, most of them in the log: how many are durable.
  uint64_t take(uint64_t transactions);

  uint64_t receiver_ns() const { return receiver_time_.ns(); }
  uint64_t hasher_ns() const { return hasher_ns_.load(); }

 private:
  int receive();
  int hash();
  bool poll_hash_worker();
  void wait();
  void send_answers();
  uint64_t in_flight() const;

  std::string directory_;
  Frames frames_;
  rte_mempool* pool_;
  WorkerRig rig_;
  ledger::PosixFileSystem files_;
  PacketRing to_hash_{512}, from_hash_{512};  // as the gateway makes them
  std::unique_ptr<dataplane::LedgerStation> station_;
  dataplane::NanosecondClock clock_{rte_get_tsc_hz()};
  Hashing hashing_;
  uint64_t left_ = 0;
  BusyTime receiver_time_, hasher_time_;
  std::atomic<uint64_t> hasher_ns_{0};
  std::atomic<bool> ends_{false};
};

std::string new_directory() {
  const char* const given = std::getenv("SLUICE_BENCH_DIRECTORY");
  std::string name = std::string(given != nullptr ? given : "/dev/shm") + "/sluice-bench-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) give_up("no folder for the log");
  return name;
}

dataplane::LedgerConfig config_of(const std::string& directory) {
  dataplane::LedgerConfig config;
  config.directory = directory;
  if (const char* const engine = std::getenv("SLUICE_BENCH_SHA256")) config.sha256 = engine;
  config.signer = std::make_shared<crypto::NoteSigner>(*crypto::NoteSigner::generate("bench.example/log"));
  return config;
}

Ingress::Ingress(Framing framing, Hashing hashing, rte_mempool* pool, uint16_t device)
    : directory_(new_directory()),
      frames_(framing),
      pool_(pool),
      rig_({.flow_table_entries = 1024}, pool, device),
      hashing_(hashing) {
  const auto config = config_of(directory_);
  rte_mempool* const pools[] = {pool};
  constexpr uint16_t kMtus[] = {1500, 1500};
  auto made = dataplane::LedgerStation::create(
      {.config = config, .files = files_, .pools = pools, .port_mtus = kMtus});
  if (!made) give_up(made.error().message.c_str());
  station_ = std::move(*made);
  PacketRing* const to_hash[] = {&to_hash_};
  PacketRing* const from_hash[] = {&from_hash_};
  station_->connect(rig_.worker(), to_hash, from_hash);
  // Else no answer would leave: they would wait for the client's router to be found.
  rig_.tables()->neighbors.push_back(
      {test::kEdge, *IpAddress::parse(test::kIpv4.router), *MacAddress::parse(test::kRouterMac)});
  rig_.worker().neighbors.adopt_static(*rig_.tables(), 0, rig_.worker().transmit);
  const auto vip = *IpAddress::parse(test::kIpv4.vip);
  rig_.tables()->ingress = std::make_shared<const std::vector<dataplane::Ingress>>(
      std::vector{dataplane::Ingress{vip, Be16::from_host(kPort), framing, ledger::Profile::kOpaque}});
  if (!station_->start(rig_.tables()->ingress)) give_up("the journal does not start");
  if (hashing_ == Hashing::kInPlace) return;
  const auto hash = [](void* self) { return static_cast<Ingress*>(self)->hash(); };
  if (rte_eal_remote_launch(hash, this, kHasher) != 0) give_up("the hash worker does not start");
}

Ingress::~Ingress() {
  constexpr auto kUnresolved = static_cast<size_t>(dataplane::DropReason::kNeighborUnresolved);
  if (rig_.worker().stats.dropped[kUnresolved].read() != 0) give_up("answers do not leave");
  ends_ = true;
  rte_eal_wait_lcore(kHasher);  // at once where nothing was launched
  station_->stop();
  std::filesystem::remove_all(directory_);
}

uint64_t Ingress::take(uint64_t transactions) {
  const dataplane::LedgerPlane plane(*station_);
  const uint64_t stored_before = plane.ended(ledger::Outcome::kStored);
  left_ = transactions;
  const auto receive = [](void* self) { return static_cast<Ingress*>(self)->receive(); };
  if (rte_eal_remote_launch(receive, this, kReceiver) != 0) give_up("the worker does not start");
  while (rte_eal_get_lcore_state(kReceiver) != WAIT) {
    nap(kWatcherNapNs);
    if (plane.failure()) give_up(plane.failure()->message.c_str());
  }
  return plane.ended(ledger::Outcome::kStored) - stored_before;
}

uint64_t Ingress::in_flight() const {
  uint64_t count = 0;
  for (const auto* counters : {&station_->sealer().counters(), &station_->hash_worker(0).counters()}) {
    count += counters->received.read();
    for (const Counter& ended : counters->ended) count -= ended.read();
  }
  return count + to_hash_.size();
}

/// The worker, as long as there is something to send: no faster than the others take it.
int Ingress::receive() {
  prctl(PR_SET_TIMERSLACK, 1);
  dataplane::Worker& worker = rig_.worker();
  while (left_ > 0) {
    std::array<rte_mbuf*, kBurst> burst;
    worker.now_ns = clock_.at(rte_rdtsc());
    send_answers();
    if (in_flight() > kMostInFlight || to_hash_.capacity() - to_hash_.size() < kBurst ||
        rte_pktmbuf_alloc_bulk(pool_, burst.data(), kBurst) != 0) {
      wait();
      continue;
    }
    for (rte_mbuf* packet : burst) frames_.write(packet);
    receiver_time_.begin();
    if (!submit(worker, parse_frames(worker, test::kEdge, {burst})).empty())
      give_up("a frame is no transaction");
    receiver_time_.end();
    left_ -= kBurst;
    if (hashing_ == Hashing::kInPlace) poll_hash_worker();
  }
  while (in_flight() > 0 || from_hash_.size() > 0) {
    send_answers();
    wait();
  }
  return 0;
}

void Ingress::wait() {
  if (hashing_ == Hashing::kHandedOver || !poll_hash_worker()) nap(kWorkerNapNs);
}

void Ingress::send_answers() {
  if (from_hash_.size() == 0) return;
  receiver_time_.begin();
  dataplane::send_answers(rig_.worker());
  rig_.worker().transmit.flush();
  rig_.worker().drops.free_pending();
  receiver_time_.end();
}

/// Whether there was something to do, whose time counts.
bool Ingress::poll_hash_worker() {
  BusyTime time = hasher_time_;
  time.begin();
  const bool had_work = station_->hash_worker(0).poll(clock_.at(rte_rdtsc())) != 0;
  time.end();
  if (had_work) hasher_time_ = time;
  hasher_ns_ = hasher_time_.ns();
  return had_work;
}

int Ingress::hash() {
  prctl(PR_SET_TIMERSLACK, 1);
  while (!ends_) {
    if (!poll_hash_worker()) nap(kWorkerNapNs);
  }
  return 0;
}

void ingress(benchmark::State& state, Framing framing, Hashing hashing) {
  static rte_mempool* const pool = make_pool(kBuffers, 2048, 256);
  static const uint16_t device = sink_device(pool);
  Ingress rig(framing, hashing, pool, device);
  uint64_t stored = 0;
  for (auto _ : state) {
    const uint64_t before = now_ns(CLOCK_MONOTONIC);
    stored += rig.take(kTransactions);
    state.SetIterationTime(static_cast<double>(now_ns(CLOCK_MONOTONIC) - before) / 1e9);
  }
  const auto transactions = static_cast<double>(state.iterations() * kTransactions);
  state.SetItemsProcessed(static_cast<int64_t>(stored));
  state.counters["refused"] = (transactions - static_cast<double>(stored)) / transactions;
  state.counters["worker_ns"] = static_cast<double>(rig.receiver_ns()) / transactions;
  state.counters["hash_worker_ns"] = static_cast<double>(rig.hasher_ns()) / transactions;
}
BENCHMARK_CAPTURE(ingress, raw_handed_over, Framing::kRaw, Hashing::kHandedOver)->UseManualTime();
BENCHMARK_CAPTURE(ingress, coap_handed_over, Framing::kCoap, Hashing::kHandedOver)->UseManualTime();
BENCHMARK_CAPTURE(ingress, raw_in_place, Framing::kRaw, Hashing::kInPlace)->UseManualTime();
BENCHMARK_CAPTURE(ingress, coap_in_place, Framing::kCoap, Hashing::kInPlace)->UseManualTime();

/// The first and the last CPU for worker and hash worker, any for the rest.
std::string lcores() {
  cpu_set_t allowed;
  sched_getaffinity(0, sizeof allowed, &allowed);
  int first = CPU_SETSIZE, last = 0;
  std::string all;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &allowed)) continue;
    first = std::min(first, cpu);
    last = cpu;
    all += (all.empty() ? "" : ",") + std::to_string(cpu);
  }
  return "--lcores=0@(" + all + "),1@" + std::to_string(first) + ",2@" + std::to_string(last);
}

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  sluice::perf::start_eal({argv[0], "--no-pci", "--no-telemetry", "--no-shconf", "--log-level=err",
                           "--file-prefix=sluice-ingress", sluice::perf::lcores(),
                           sluice::perf::memory_argument(), "-m", "64"});
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
