// What inspecting costs beside what Hyperscan itself costs. `pipeline` is the worker's whole work for TCP
// segments of 512 bytes of payload that a thousand rules look at in order; `hyperscan` is hs_scan_stream()
// and no more, on the same bytes, cut alike, in as many streams, in the same order, and each stream is ended.
// Connections are answered before their bytes come, as connections are; `unanswered` has the same with
// backends that have not said anything: then each segment goes the long way. `floor` is the work of laying
// packets ready, to be subtracted from each. The argument is the number of connections: few, whose streams
// stay in the CPU's caches, or many, with as many bytes each as are looked at by default.
//
// `other_flow` is a service without inspection, of which only the flow's own work is timed: where there is no
// inspection at all, beside a service that has one, and while a client of that one sends what has to be held;
// and, where there is no inspection, while such a client sends as many packets that are like all others. That
// is what the hostile one is measured by: whoever else sends has a part of the CPU's caches.
#include <benchmark/benchmark.h>
#include <hs.h>
#include <rte_cycles.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/inspect/inspection.h"
#include "dataplane/stages/inspect.h"
#include "perf/inspection_traffic.h"
#include "perf/worker_rig.h"

namespace sluice::perf {
namespace {

using dataplane::Inspection;
using dataplane::InspectionCounts;
using dataplane::InspectionPlan;
using dataplane::InspectionRule;
using dataplane::kBurst;

constexpr unsigned kBuffers = 1024;
constexpr unsigned kMostHeld = 1024;              ///< packets that may wait for a gap to fill, and more
constexpr const char* kOtherVip = "203.0.114.1";  ///< of the rig's second service
constexpr int64_t kFew = 64, kMany = 4096;        ///< connections: whole bursts of either
static_assert(kFew % kBurst == 0);

/// The first bytes of few connections, and what is looked at by default of many.
const InspectionTraffic& traffic_of(const benchmark::State& state) {
  static std::map<int64_t, InspectionTraffic> made;
  const auto connections = static_cast<unsigned>(state.range(0));
  return made.try_emplace(state.range(0), connections, connections == kFew ? 100 : 8).first->second;
}

rte_mempool* pool() {
  static rte_mempool* const made = make_pool(2 * kBuffers + kMostHeld, 2048, 0);
  return made;
}

/// A device that takes every frame.
struct Sink {
  rte_ring* ring = rte_ring_create("sink", 2 * kBuffers, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
  uint16_t device = 0;
  Sink() {
    const rte_eth_conf configuration{};
    const int made = rte_eth_from_rings("sink", &ring, 1, &ring, 1, SOCKET_ID_ANY);
    device = static_cast<uint16_t>(made);
    if (made < 0 || rte_eth_dev_configure(device, 1, 1, &configuration) != 0 ||
        rte_eth_rx_queue_setup(device, 0, 64, SOCKET_ID_ANY, nullptr, pool()) != 0 ||
        rte_eth_tx_queue_setup(device, 0, 64, SOCKET_ID_ANY, nullptr) != 0 ||
        rte_eth_dev_start(device) != 0) {
      give_up("no device");
    }
  }
  /// Takes the burst that was forwarded.
  std::array<rte_mbuf*, kBurst> empty() {
    std::array<rte_mbuf*, kBurst> sent;
    const unsigned count =
        rte_ring_dequeue_burst(ring, reinterpret_cast<void**>(sent.data()), kBurst, nullptr);
    if (count != kBurst) give_up("a packet was not forwarded");
    return sent;
  }
};

Sink& sink() {
  static Sink one;
  return one;
}

void lay(rte_mbuf* packet, const std::array<uint8_t, kFrame>& frame, size_t bytes) {
  packet->data_off = RTE_PKTMBUF_HEADROOM;
  packet->data_len = packet->pkt_len = static_cast<uint16_t>(bytes);
  std::memcpy(rte_pktmbuf_mtod(packet, void*), frame.data(), bytes);
}

/// Lays bursts of frames into buffers, as a device does it.
class Source {
 public:
  Source() {
    if (rte_pktmbuf_alloc_bulk(pool(), buffers_.data(), kBuffers) != 0) give_up("no buffers");
  }
  ~Source() { rte_pktmbuf_free_bulk(buffers_.data(), kBuffers); }
  std::span<rte_mbuf*> fill(const InspectionFrames& frames, size_t first, size_t bytes) {
    const std::span<rte_mbuf*> burst(buffers_.data() + next_, kBurst);
    for (size_t i = 0; i < kBurst; ++i) lay(burst[i], frames[first + i], bytes);
    next_ = (next_ + kBurst) % kBuffers;
    return burst;
  }

 private:
  std::array<rte_mbuf*, kBuffers> buffers_;
  size_t next_ = 0;
};

void count(benchmark::State& state, size_t packets) {
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(packets));
}

void floor(benchmark::State& state) {
  const InspectionFrames& data = traffic_of(state).data;
  Source source;
  for (auto _ : state) {
    for (size_t i = 0; i < data.size(); i += kBurst) {
      benchmark::DoNotOptimize(source.fill(data, i, kFrame));
    }
  }
  count(state, data.size());
}

int ignore(unsigned, unsigned long long, unsigned long long, unsigned, void*) {
  return 0;
}

hs_database_t* compile_rules() {
  std::vector<std::string> texts;
  std::vector<const char*> expressions;
  std::vector<unsigned> flags, ids;
  for (const InspectionRule& rule : rules_without_matches())
    texts.push_back(rule.is_literal ? "\\Q" + rule.pattern + "\\E" : rule.pattern);
  for (unsigned i = 0; i < kRules; ++i) {
    expressions.push_back(texts[i].c_str());
    flags.push_back(HS_FLAG_SINGLEMATCH);
    ids.push_back(i);
  }
  hs_database_t* made = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_multi(expressions.data(), flags.data(), ids.data(), kRules, HS_MODE_STREAM, nullptr, &made,
                       &error) != HS_SUCCESS) {
    give_up(error->message);
  }
  return made;
}

/// Hyperscan by itself, with streams in memory that malloc() gives. Made before the first Inspection, which
/// has Hyperscan ask arenas for the memory of streams from then on; never freed.
struct Bare {
  hs_database_t* rules = compile_rules();
  hs_scratch_t* scratch = nullptr;
  std::vector<hs_stream_t*> streams = std::vector<hs_stream_t*>(kMany);

  Bare() {
    if (hs_alloc_scratch(rules, &scratch) != HS_SUCCESS) give_up("no scratch");
    for (hs_stream_t*& stream : streams) {
      if (hs_open_stream(rules, 0, &stream) != HS_SUCCESS) give_up("no stream");
    }
  }
};

const Bare& bare() {
  static const Bare one;
  return one;
}

void hyperscan(benchmark::State& state) {
  const InspectionTraffic& traffic = traffic_of(state);
  const std::span<hs_stream_t* const> streams = std::span(bare().streams).first(traffic.connections);
  hs_scratch_t* const scratch = bare().scratch;
  Source source;
  for (auto _ : state) {
    for (size_t i = 0; i < traffic.data.size(); i += kBurst) {
      const auto burst = source.fill(traffic.data, i, kFrame);
      for (size_t at = 0; at < kBurst; ++at) {
        const char* const payload = rte_pktmbuf_mtod_offset(burst[at], const char*, kHeaders);
        hs_scan_stream(streams[(i + at) % traffic.connections], payload, kPayload, 0, scratch, ignore,
                       nullptr);
      }
    }
    for (hs_stream_t* stream : streams) hs_reset_stream(stream, 0, scratch, ignore, nullptr);
  }
  count(state, traffic.data.size());
}

/// Compiling takes long: they are kept for the next repetition.
std::shared_ptr<Inspection> inspection(uint32_t bytes, uint32_t streams) {
  static std::map<std::pair<uint32_t, uint32_t>, std::shared_ptr<Inspection>> kept;
  std::shared_ptr<Inspection>& one = kept[{bytes, streams}];
  if (one != nullptr) return one;
  InspectionPlan plan{.bytes = bytes, .streams = streams, .rules = rules_without_matches()};
  for (uint32_t i = 0; i < kRules; ++i) plan.places.push_back(i);
  plan.counts = InspectionCounts::create(1).value();
  auto made = Inspection::compile(std::move(plan));
  if (!made) give_up(made.error().message.c_str());
  return one = *made;
}

/// One poll of the worker.
void poll(WorkerRig& rig, uint8_t port, std::span<rte_mbuf* const> burst) {
  std::array<rte_mbuf*, kBurst> packets;
  std::copy(burst.begin(), burst.end(), packets.begin());
  process(rig.worker(), port, packets);
  rig.worker().transmit.flush();
  rig.worker().drops.free_pending();
}
/// The same, and all that came is sent.
void work(WorkerRig& rig, uint8_t port, std::span<rte_mbuf* const> burst) {
  poll(rig, port, burst);
  sink().empty();
}

void open(WorkerRig& rig, Source& source, const Openings& openings, bool are_answered) {
  for (size_t i = 0; i < openings.syns.size(); i += kBurst) {
    work(rig, test::kEdge, source.fill(openings.syns, i, kHeaders));
    if (!are_answered) continue;
    work(rig, test::kCore, source.fill(openings.answers, i, kHeaders));
    work(rig, test::kEdge, source.fill(openings.acknowledgments, i, kHeaders));
  }
}

void end_all_flows(WorkerRig& rig) {
  lb::FlowTable& flows = rig.worker().balancer.flows();
  for (lb::FlowIndex i = 0; flows.size() != 0; ++i) {
    if (flows.at(i).state != lb::FlowState::kFree && !flows.at(i).is_reply)
      rig.worker().balancer.end(flows.at(i));
  }
  tidy_inspection(rig.worker());
}

void scan_all(benchmark::State& state, bool are_answered) {
  const InspectionTraffic& traffic = traffic_of(state);
  WorkerRig rig({.backends = 1, .flow_table_entries = 4 * traffic.connections}, pool(), sink().device);
  const auto made = inspection(static_cast<uint32_t>(traffic.segments * kPayload), traffic.connections);
  rig.tables()->inspections = std::make_shared<const dataplane::InspectionList>(1, made);
  adopt_inspections(rig.worker());
  const uint64_t scanned_before = made->counts(0).scanned_bytes.read();
  Source source;
  for (auto _ : state) {
    state.PauseTiming();
    end_all_flows(rig);
    open(rig, source, traffic.openings, are_answered);
    state.ResumeTiming();
    for (size_t i = 0; i < traffic.data.size(); i += kBurst) {
      work(rig, test::kEdge, source.fill(traffic.data, i, kFrame));
    }
  }
  count(state, traffic.data.size());
  const uint64_t scanned = made->counts(0).scanned_bytes.read() - scanned_before;
  if (rig.dropped() != 0) give_up("a packet was dropped");
  if (scanned != static_cast<uint64_t>(state.iterations()) * traffic.data.size() * kPayload)
    give_up("not all was scanned");
  end_all_flows(rig);
}

void pipeline(benchmark::State& state) {
  scan_all(state, true);
}
void unanswered(benchmark::State& state) {
  scan_all(state, false);
}

/// Who else is there while a service without inspection is measured.
enum class Others { kNoInspection, kOrdinary, kCalm, kHostile };

bool has_inspection(Others who) {
  return who == Others::kCalm || who == Others::kHostile;
}
bool has_client(Others who) {
  return who == Others::kOrdinary || who == Others::kHostile;
}

/// A client of the other service that sends a byte at a time. A hostile one leaves a gap before all that it
/// sends, so that all of it has to be held, and never fills it.
class OtherClient {
 public:
  explicit OtherClient(bool leaves_gap)
      : leaves_gap_(leaves_gap), openings_(kOtherVip, kFirst, kConnections) {
    for (unsigned i = kEach; i > 0; --i) {
      for (unsigned flow = 0; flow < kConnections; ++flow) {
        const uint32_t sequence = leaves_gap ? kFirstByte + i : kFirstByte;
        add_from_client(frames_, client_segment(kOtherVip, kFirst + flow, sequence).ack().payload("x"));
      }
    }
  }
  void begin(WorkerRig& rig, Source& source) { open(rig, source, openings_, true); }
  void send(WorkerRig& rig) {
    std::array<rte_mbuf*, kBurst> burst;
    if (rte_pktmbuf_alloc_bulk(pool(), burst.data(), kBurst) != 0) give_up("no buffers");
    for (rte_mbuf* packet : burst) lay(packet, frames_[next_++ % frames_.size()], kHeaders + 1);
    poll(rig, test::kEdge, burst);
    if (!leaves_gap_) rte_pktmbuf_free_bulk(sink().empty().data(), kBurst);
  }

 private:
  static constexpr unsigned kFirst = 10'000, kConnections = kFew, kEach = 63;
  bool leaves_gap_;
  Openings openings_;
  InspectionFrames frames_;
  size_t next_ = 0;
};

void other_flow(benchmark::State& state, Others who) {
  constexpr unsigned kFlows = 1024;
  static const Openings openings(test::kIpv4.vip, 0, kFlows);
  static OtherClient ordinary(false), hostile(true);
  OtherClient& other = who == Others::kHostile ? hostile : ordinary;
  WorkerRig rig({.services = 2, .backends = 1, .flow_table_entries = 4 * kFlows}, pool(), sink().device);
  if (has_inspection(who)) {
    rig.tables()->inspections = std::make_shared<const dataplane::InspectionList>(
        dataplane::InspectionList{nullptr, inspection(4096, 64)});
    adopt_inspections(rig.worker());
  }
  Source source;
  open(rig, source, openings, true);
  if (has_client(who)) other.begin(rig, source);
  size_t next = 0;
  for (auto _ : state) {
    if (has_client(who)) other.send(rig);
    const auto burst = source.fill(openings.acknowledgments, next, kHeaders);
    const uint64_t before = rte_rdtsc_precise();
    poll(rig, test::kEdge, burst);
    const uint64_t after = rte_rdtsc_precise();
    state.SetIterationTime(static_cast<double>(after - before) / static_cast<double>(rte_get_tsc_hz()));
    sink().empty();
    next = (next + kBurst) % kFlows;
  }
  count(state, kBurst);
  give_up_inspection(rig.worker());
  rig.worker().drops.free_pending();
  end_all_flows(rig);
}

BENCHMARK(floor)->Arg(kFew)->Arg(kMany);
BENCHMARK(hyperscan)->Arg(kFew)->Arg(kMany);
BENCHMARK(pipeline)->Arg(kFew)->Arg(kMany);
BENCHMARK(unanswered)->Arg(kFew)->Arg(kMany);
BENCHMARK_CAPTURE(other_flow, no_inspection, Others::kNoInspection)->UseManualTime();
BENCHMARK_CAPTURE(other_flow, beside_ordinary, Others::kOrdinary)->UseManualTime();
BENCHMARK_CAPTURE(other_flow, beside_inspection, Others::kCalm)->UseManualTime();
BENCHMARK_CAPTURE(other_flow, beside_hostile, Others::kHostile)->UseManualTime();

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  sluice::perf::start_eal({argv[0], "--no-pci", "--no-telemetry", "--no-shconf", "--log-level=err",
                           "--file-prefix=sluice-inspection", sluice::perf::memory_argument(), "-m", "64"});
  sluice::perf::bare();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
