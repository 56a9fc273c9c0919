// What a tunnel costs beside what its encryption costs: the worker's whole work for packets of known flows
// whose backends lie behind ESP (AES-128-GCM), from the received frame to the device, and ipsec-mb's direct
// call on the same bytes in the same buffers and no more. `floor` is the work of laying packets ready, to be
// subtracted from both. `together` and `direct_together` are the same on several threads at once: one
// security association for all, and one key. `open`, `direct_open` and `floor_open` are the other direction:
// answers out of the tunnel, sealed as they are laid ready, to clients.
#include <benchmark/benchmark.h>
#define NO_COMPAT_IMB_API_053  // else ipsec-mb redefines names of OpenSSL
#include <intel-ipsec-mb.h>
#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>
#include <sched.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/esp/esp_format.h"
#include "dataplane/stages/encapsulate.h"
#include "perf/worker_rig.h"
#include "tests/support/esp_site.h"
#include "tests/support/packet_builder.h"

namespace sluice::perf {
namespace {

using dataplane::kBurst;
using dataplane::Worker;

// Of each worker.
constexpr unsigned kFlows = 256;
constexpr unsigned kBuffers = 1024;  ///< as many as a receive queue has descriptors
constexpr unsigned kWaiting = 256;   ///< and so many more, which may wait for another worker's numbers
constexpr unsigned kMostWorkers = 2;
constexpr size_t kLink = 14;

rte_mempool* pool(unsigned worker) {
  static const std::array<rte_mempool*, kMostWorkers> made = {make_pool(kBuffers + kWaiting, 2048, 0),
                                                              make_pool(kBuffers + kWaiting, 2048, 0)};
  return made[worker];
}

/// A device that takes every frame: a queue for each worker.
class Sink {
 public:
  Sink() {
    for (unsigned i = 0; i < kMostWorkers; ++i) {
      rings_[i] = rte_ring_create(("sink" + std::to_string(i)).c_str(), 2 * kBuffers, SOCKET_ID_ANY,
                                  RING_F_SP_ENQ | RING_F_SC_DEQ);
    }
    const rte_eth_conf configuration{};
    const int made =
        rte_eth_from_rings("sink", rings_.data(), kMostWorkers, rings_.data(), kMostWorkers, SOCKET_ID_ANY);
    device_ = static_cast<uint16_t>(made);
    bool is_ready =
        made >= 0 && rte_eth_dev_configure(device_, kMostWorkers, kMostWorkers, &configuration) == 0;
    for (uint16_t i = 0; i < kMostWorkers; ++i) {
      is_ready = is_ready && rte_eth_rx_queue_setup(device_, i, 64, SOCKET_ID_ANY, nullptr, pool(i)) == 0 &&
                 rte_eth_tx_queue_setup(device_, i, 64, SOCKET_ID_ANY, nullptr) == 0;
    }
    if (!is_ready || rte_eth_dev_start(device_) != 0) give_up("no device");
  }
  uint16_t device() const { return device_; }
  /// How many frames a worker has sent since the last call, a burst at most; their buffers are free again.
  unsigned empty(unsigned worker) {
    std::array<rte_mbuf*, kBurst> sent;
    const unsigned count =
        rte_ring_dequeue_burst(rings_[worker], reinterpret_cast<void**>(sent.data()), kBurst, nullptr);
    rte_pktmbuf_free_bulk(sent.data(), count);
    return count;
  }

 private:
  std::array<rte_ring*, kMostWorkers> rings_{};
  uint16_t device_ = 0;
};

Sink& sink() {
  static Sink one;
  return one;
}

using Frames = std::vector<test::Bytes>;

/// Of each flow of a worker's clients, a packet of `ip_bytes` bytes.
Frames requests(unsigned worker, size_t ip_bytes) {
  Frames frames;
  for (unsigned flow = 0; flow < kFlows; ++flow) {
    const auto port = static_cast<uint16_t>(10'000 + worker * kFlows + flow);
    frames.push_back(test::ethernet({test::kRouterMac, test::kEdgeMac},
                                    test::ip(test::kIpv4.client, test::kIpv4.vip)
                                        .tcp(port, 80)
                                        .payload_bytes(ip_bytes - sizeof(Ipv4Header) - sizeof(TcpHeader))));
  }
  return frames;
}

/// One worker's frames, all of one size, again and again, in buffers of its pool, as a device lays them.
class Source {
 public:
  /// `is_verified`: the device has found their checksums right.
  Source(unsigned worker, Frames frames, bool is_verified)
      : frames_(std::move(frames)),
        pool_(pool(worker)),
        size_(static_cast<uint16_t>(frames_[0].size())),
        flags_(is_verified ? kVerified : 0) {}
  Source(const Source&) = delete;

  /// The next burst. Whoever is done with a packet frees it; the span holds until the next call.
  std::span<rte_mbuf*> fill() {
    if (rte_pktmbuf_alloc_bulk(pool_, burst_.data(), kBurst) != 0) give_up("no buffers");
    for (rte_mbuf* packet : burst_) {
      packet->data_len = size_;
      packet->pkt_len = size_;
      packet->ol_flags = flags_;
      std::memcpy(rte_pktmbuf_mtod(packet, void*), frames_[next_frame_].data(), size_);
      next_frame_ = (next_frame_ + 1) % kFlows;
    }
    return burst_;
  }

 private:
  static constexpr uint64_t kVerified = RTE_MBUF_F_RX_IP_CKSUM_GOOD | RTE_MBUF_F_RX_L4_CKSUM_GOOD;

  Frames frames_;
  std::array<rte_mbuf*, kBurst> burst_{};
  rte_mempool* pool_;
  uint16_t size_;
  uint64_t flags_;
  size_t next_frame_ = 0;
};

/// Answers to those of worker 0's clients, of `ip_bytes` bytes, as the tunnel's other end seals them: each
/// has a number of its own.
class SealedSource {
 public:
  static constexpr size_t kFront = kLink + sizeof(Ipv4Header) + sizeof(dataplane::EspHeader);

  SealedSource(const test::EspSite& site, size_t ip_bytes)
      : in_(site.in()), gcm_(*crypto::AesGcm::create()), source_(0, answers(ip_bytes), false) {}

  std::span<rte_mbuf*> fill() {
    const std::span<rte_mbuf*> burst = source_.fill();
    for (rte_mbuf* packet : burst) seal(rte_pktmbuf_mtod(packet, uint8_t*), packet->data_len);
    return burst;
  }

 private:
  static Frames answers(size_t ip_bytes) {
    Frames frames;
    const auto padding = static_cast<uint8_t>(dataplane::esp_padding(ip_bytes));
    for (unsigned flow = 0; flow < kFlows; ++flow) {
      test::Bytes esp(sizeof(dataplane::EspHeader));
      test::append(esp, test::ip(test::EspSite::kBackend4, test::kIpv4.client)
                            .tcp(8080, static_cast<uint16_t>(10'000 + flow))
                            .payload_bytes(ip_bytes - sizeof(Ipv4Header) - sizeof(TcpHeader))
                            .bytes());
      for (uint8_t byte = 1; byte <= padding; ++byte) esp.push_back(byte);
      esp.push_back(padding);
      esp.push_back(test::kProtocolIpip);
      esp.resize(esp.size() + dataplane::kIcvBytes);
      frames.push_back(
          test::ethernet({test::mac_of(test::kIpv4.backend2), test::kCoreMac},
                         test::ip(test::kIpv4.backend2, test::kIpv4.core).protocol(50).payload(esp)));
    }
    return frames;
  }
  void seal(uint8_t* frame, size_t size) {
    const Be64 iv = Be64::from_host(++number_);
    uint8_t* const inner = frame + kFront;
    uint8_t* const icv = frame + size - dataplane::kIcvBytes;
    store(inner - sizeof(dataplane::EspHeader),
          dataplane::EspHeader{in_.spi, Be32::from_host(static_cast<uint32_t>(number_)), iv});
    gcm_.seal(in_.key, dataplane::EspNonce(in_.salt, iv).bytes(),
              dataplane::EspAssociatedData(in_.spi, number_, false).bytes(), {inner, icv}, icv);
  }

  const dataplane::InboundSa& in_;
  crypto::AesGcm gcm_;
  Source source_;
  uint64_t number_ = 0;
};

void free_all(std::span<rte_mbuf*> burst) {
  rte_pktmbuf_free_bulk(burst.data(), static_cast<unsigned>(burst.size()));
}

/// Runs one burst after the other, and says what a packet took, also in cycles of the time stamp counter.
template <typename OneBurst>
void measure(benchmark::State& state, const OneBurst& one_burst) {
  const uint64_t before = rte_rdtsc_precise();
  for (auto _ : state) one_burst();
  const auto cycles = static_cast<double>(rte_rdtsc_precise() - before);
  const auto packets = static_cast<double>(state.iterations()) * kBurst;
  state.SetItemsProcessed(state.iterations() * int64_t{kBurst});
  state.counters["cycles"] = benchmark::Counter(cycles / packets, benchmark::Counter::kAvgThreads);
}

void floor(benchmark::State& state) {
  Source source(0, requests(0, static_cast<size_t>(state.range(0))), false);
  measure(state, [&] { free_all(source.fill()); });
}

/// ipsec-mb as it comes.
class Library {
 public:
  Library() : manager_(alloc_mb_mgr(0)) {
    if (manager_ == nullptr) give_up("no ipsec-mb");
    init_mb_mgr_auto(manager_, nullptr);
    const std::array<uint8_t, 16> key{0x22};
    IMB_AES128_GCM_PRE(manager_, key.data(), &key_);
  }
  ~Library() { free_mb_mgr(manager_); }
  Library(const Library&) = delete;

  void encrypt(uint8_t* bytes, size_t size, uint64_t number) {
    call(manager_->gcm128_enc, bytes, size, number);
  }
  /// What it comes to is nothing: it was another key's.
  void decrypt(uint8_t* bytes, size_t size, uint64_t number) {
    call(manager_->gcm128_dec, bytes, size, number);
  }

 private:
  void call(aes_gcm_enc_dec_t direction, uint8_t* bytes, size_t size, uint64_t number) {
    const std::array<uint64_t, 2> nonce{number, number}, associated{number, 0};
    direction(&key_, &context_, bytes, bytes, size, reinterpret_cast<const uint8_t*>(nonce.data()),
              reinterpret_cast<const uint8_t*>(associated.data()), 8, bytes + size, dataplane::kIcvBytes);
  }

  IMB_MGR* manager_;
  alignas(64) gcm_key_data key_;
  alignas(64) gcm_context_data context_;
};

void encrypt_alone(benchmark::State& state, unsigned worker) {
  const auto ip_bytes = static_cast<size_t>(state.range(0));
  const size_t plain_bytes = ip_bytes + dataplane::esp_padding(ip_bytes) + sizeof(dataplane::EspTrailer);
  Source source(worker, requests(worker, ip_bytes), false);
  const auto library = std::make_unique<Library>();
  uint64_t number = 0;
  measure(state, [&] {
    const std::span<rte_mbuf*> burst = source.fill();
    for (rte_mbuf* packet : burst)
      library->encrypt(rte_pktmbuf_mtod_offset(packet, uint8_t*, kLink), plain_bytes, ++number);
    free_all(burst);
  });
}

void direct(benchmark::State& state) {
  encrypt_alone(state, 0);
}

/// Workers of one gateway whose backends lie behind a tunnel.
struct Workers {
  Workers(unsigned workers, unsigned backends) : site({.workers = workers}) {
    test::ServiceSpec spec{
        .address = test::kIpv4.vip, .forward = lb::ForwardMode::kDnat, .idle_timeout_ms = 3'600'000};
    for (unsigned i = 0; i < backends; ++i)
      spec.backends.push_back({"10.30.0." + std::to_string(11 + i), 8080});
    tables = test::make_tables({spec});
    site.lead(*tables);
    for (unsigned i = 0; i < workers; ++i)
      rigs.push_back(std::make_unique<WorkerRig>(tables, i, workers, pool(i), sink().device()));
  }
  test::EspSite site;
  std::shared_ptr<dataplane::Tables> tables;
  std::vector<std::unique_ptr<WorkerRig>> rigs;
};

std::unique_ptr<Workers> workers;

void employ(const benchmark::State& state) {
  workers = std::make_unique<Workers>(static_cast<unsigned>(state.threads()), 100);
}
void employ_one(const benchmark::State&) {
  workers = std::make_unique<Workers>(1, 1);
}
void dismiss(const benchmark::State&) {
  workers.reset();
}

/// One poll of a worker. What has to wait for another's numbers is sent in a later one.
unsigned work(Worker& worker, unsigned index, std::span<rte_mbuf* const> burst, uint8_t port = test::kEdge) {
  std::array<rte_mbuf*, kBurst> packets;
  std::copy(burst.begin(), burst.end(), packets.begin());
  process(worker, port, std::span(packets).first(burst.size()));
  send_encrypted(worker);
  worker.transmit.flush();
  worker.drops.free_pending();
  return sink().empty(index);
}

void forward_all(benchmark::State& state, unsigned index, bool is_verified) {
  Source source(index, requests(index, static_cast<size_t>(state.range(0))), is_verified);
  WorkerRig& rig = *workers->rigs[index];
  uint64_t sent = 0, received = 0;
  const auto one_burst = [&] {
    rig.worker().now_ms = static_cast<uint32_t>(received / kBurst / 1024);
    received += kBurst;
    sent += work(rig.worker(), index, source.fill());
  };
  for (unsigned i = 0; i < 3 * kFlows / kBurst; ++i) one_burst();  // all flows and their paths are known then
  measure(state, one_burst);
  while (unsigned count = work(rig.worker(), index, {})) sent += count;
  if (state.threads() == 1 && (sent != received || rig.dropped() != 0)) give_up("a packet was not forwarded");
  if (sent + rig.dropped() + dataplane::kBurst < received) give_up("packets are missing");
  state.counters["dropped"] = static_cast<double>(rig.dropped());
}

void pipeline(benchmark::State& state) {
  forward_all(state, 0, false);
}
void pipeline_verified(benchmark::State& state) {
  forward_all(state, 0, true);
}
void together(benchmark::State& state) {
  forward_all(state, static_cast<unsigned>(state.thread_index()), false);
}
void direct_together(benchmark::State& state) {
  encrypt_alone(state, static_cast<unsigned>(state.thread_index()));
}

void floor_open(benchmark::State& state) {
  SealedSource source(workers->site, static_cast<size_t>(state.range(0)));
  measure(state, [&] { free_all(source.fill()); });
}

void direct_open(benchmark::State& state) {
  const auto ip_bytes = static_cast<size_t>(state.range(0));
  const size_t plain_bytes = ip_bytes + dataplane::esp_padding(ip_bytes) + sizeof(dataplane::EspTrailer);
  SealedSource source(workers->site, ip_bytes);
  const auto library = std::make_unique<Library>();
  uint64_t number = 0;
  measure(state, [&] {
    const std::span<rte_mbuf*> burst = source.fill();
    for (rte_mbuf* packet : burst) {
      library->decrypt(rte_pktmbuf_mtod_offset(packet, uint8_t*, SealedSource::kFront), plain_bytes,
                       ++number);
    }
    free_all(burst);
  });
}

void open(benchmark::State& state) {
  const auto ip_bytes = static_cast<size_t>(state.range(0));
  WorkerRig& rig = *workers->rigs[0];
  Source clients(0, requests(0, ip_bytes), false);
  uint64_t sent = 0, received = 0;
  const auto one_burst = [&](auto& source, uint8_t port) {
    received += kBurst;
    sent += work(rig.worker(), 0, source.fill(), port);
  };
  SealedSource source(workers->site, ip_bytes);
  const auto answers = [&] { one_burst(source, test::kCore); };
  // All flows, their paths and the ways back are known then.
  for (unsigned i = 0; i < 3 * kFlows / kBurst; ++i) one_burst(clients, test::kEdge);
  for (unsigned i = 0; i < 3 * kFlows / kBurst; ++i) answers();
  measure(state, answers);
  while (unsigned count = work(rig.worker(), 0, {})) sent += count;
  if (sent != received || rig.dropped() != 0) give_up("a packet was not forwarded");
}

BENCHMARK(floor)->Arg(64)->Arg(1400);
BENCHMARK(direct)->Arg(64)->Arg(1400);
BENCHMARK(pipeline)->Arg(64)->Arg(1400)->Setup(employ)->Teardown(dismiss);
BENCHMARK(pipeline_verified)->Arg(64)->Arg(1400)->Setup(employ)->Teardown(dismiss);
BENCHMARK(floor_open)->Arg(64)->Arg(1400)->Setup(employ_one)->Teardown(dismiss);
BENCHMARK(direct_open)->Arg(64)->Arg(1400)->Setup(employ_one)->Teardown(dismiss);
BENCHMARK(open)->Arg(64)->Arg(1400)->Setup(employ_one)->Teardown(dismiss);
BENCHMARK(together)
    ->Arg(64)
    ->Arg(1400)
    ->Setup(employ)
    ->Teardown(dismiss)
    ->Threads(1)
    ->Threads(kMostWorkers)
    ->UseRealTime();
BENCHMARK(direct_together)->Arg(64)->Arg(1400)->Threads(1)->Threads(kMostWorkers)->UseRealTime();

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  cpu_set_t cpus;
  if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) sluice::perf::give_up("no CPUs");
  sluice::perf::start_eal({argv[0], "--no-pci", "--no-telemetry", "--no-shconf", "--log-level=err",
                           "--file-prefix=sluice-esp", sluice::perf::memory_argument(), "-m", "64"});
  // EAL has bound this thread to one CPU, and the threads that it starts would share that.
  if (sched_setaffinity(0, sizeof cpus, &cpus) != 0) sluice::perf::give_up("no CPUs");
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
