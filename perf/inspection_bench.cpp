// What inspecting costs beside what Hyperscan itself costs: the worker's whole work for TCP segments of 512
// bytes of payload that a thousand rules look at in order, and hs_scan_stream() on the same bytes and no
// more. `floor` is the work of laying packets ready, to be subtracted from both.
#include <benchmark/benchmark.h>
#include <hs.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "dataplane/inspect/inspection.h"
#include "dataplane/stages/inspect.h"
#include "perf/worker_rig.h"
#include "tests/support/packet_builder.h"

namespace sluice::perf {
namespace {

using dataplane::Inspection;
using dataplane::InspectionCounts;
using dataplane::InspectionPlan;
using dataplane::InspectionRule;
using dataplane::kBurst;

constexpr unsigned kRules = 1000;
constexpr size_t kPayload = 512;
constexpr unsigned kSegments = 100;  ///< of each of kBurst flows
constexpr size_t kFrame = 14 + 20 + 20 + kPayload;
constexpr unsigned kBuffers = 1024;

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "inspection_bench: %s\n", what);
  std::exit(EXIT_FAILURE);
}

/// Half of them bytes, half expressions, none of which is in the traffic.
std::vector<InspectionRule> rules() {
  std::vector<InspectionRule> all;
  for (uint32_t i = 0; i < kRules; ++i) {
    const std::string number = std::to_string(100'000 + i * 7919 % 900'000);
    InspectionRule rule{.id = i, .pattern = "/w" + number + ".php", .is_literal = true};
    if (i % 2 == 1) rule = {.id = i, .pattern = "cmd=[a-z]{1,8}" + number + "\\s+(union|select)"};
    all.push_back(rule);
  }
  return all;
}

std::string request(std::mt19937& random) {
  std::string text = "GET /index.html?session=";
  while (text.size() < kPayload) {
    text += static_cast<char>('a' + random() % 26);
    if (text.size() % 64 == 0) text += "\r\nAccept: text/html";
  }
  text.resize(kPayload);
  return text;
}

using Frames = std::vector<std::array<uint8_t, kFrame>>;

/// By segment, then by flow; the SYNs come first.
struct Traffic {
  Frames syns, data;
  std::vector<std::string> payloads;
};

const Traffic& traffic() {
  static const Traffic made = [] {
    Traffic all;
    std::mt19937 random(1);
    const auto add = [](Frames& frames, const test::PacketBuilder& packet) {
      const test::Bytes bytes = test::ethernet({test::kRouterMac, test::kEdgeMac}, packet);
      frames.emplace_back();
      std::copy(bytes.begin(), bytes.end(), frames.back().begin());
    };
    const auto segment = [](unsigned flow, uint32_t sequence) {
      return test::ip(test::kIpv4.client, test::kIpv4.vip)
          .tcp(static_cast<uint16_t>(20'000 + flow), 80)
          .sequence(sequence);
    };
    for (unsigned flow = 0; flow < kBurst; ++flow) add(all.syns, segment(flow, 999).syn());
    for (unsigned i = 0; i < kSegments; ++i) {
      for (unsigned flow = 0; flow < kBurst; ++flow) {
        all.payloads.push_back(request(random));
        const auto sequence = static_cast<uint32_t>(1000 + i * kPayload);
        add(all.data, segment(flow, sequence).ack().payload(all.payloads.back()));
      }
    }
    return all;
  }();
  return made;
}

rte_mempool* pool() {
  static rte_mempool* const made = make_pool(2 * kBuffers, 2048, 0);
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
  void empty() {
    std::array<rte_mbuf*, kBurst> sent;
    const unsigned count =
        rte_ring_dequeue_burst(ring, reinterpret_cast<void**>(sent.data()), kBurst, nullptr);
    if (count != kBurst) give_up("a packet was not forwarded");
  }
};

Sink& sink() {
  static Sink one;
  return one;
}

/// Lays bursts of frames into buffers, as a device does it.
class Source {
 public:
  Source() {
    if (rte_pktmbuf_alloc_bulk(pool(), buffers_.data(), kBuffers) != 0) give_up("no buffers");
  }
  ~Source() { rte_pktmbuf_free_bulk(buffers_.data(), kBuffers); }
  std::span<rte_mbuf*> fill(const Frames& frames, size_t first, size_t bytes) {
    const std::span<rte_mbuf*> burst(buffers_.data() + next_, kBurst);
    for (size_t i = 0; i < kBurst; ++i) {
      burst[i]->data_off = RTE_PKTMBUF_HEADROOM;
      burst[i]->data_len = burst[i]->pkt_len = static_cast<uint16_t>(bytes);
      std::memcpy(rte_pktmbuf_mtod(burst[i], void*), frames[first + i].data(), bytes);
    }
    next_ = (next_ + kBurst) % kBuffers;
    return burst;
  }

 private:
  std::array<rte_mbuf*, kBuffers> buffers_;
  size_t next_ = 0;
};

void count(benchmark::State& state) {
  state.SetItemsProcessed(state.iterations() * int64_t{kSegments} * kBurst);
}

void floor(benchmark::State& state) {
  Source source;
  for (auto _ : state) {
    for (unsigned i = 0; i < kSegments; ++i) {
      benchmark::DoNotOptimize(source.fill(traffic().data, size_t{i} * kBurst, kFrame));
    }
  }
  count(state);
}

int ignore(unsigned, unsigned long long, unsigned long long, unsigned, void*) {
  return 0;
}

void hyperscan(benchmark::State& state) {
  std::vector<std::string> texts;
  std::vector<const char*> expressions;
  std::vector<unsigned> flags, ids;
  for (const InspectionRule& rule : rules())
    texts.push_back(rule.is_literal ? "\\Q" + rule.pattern + "\\E" : rule.pattern);
  for (unsigned i = 0; i < kRules; ++i) {
    expressions.push_back(texts[i].c_str());
    flags.push_back(HS_FLAG_SINGLEMATCH);
    ids.push_back(i);
  }
  hs_database_t* database = nullptr;
  hs_compile_error_t* error = nullptr;
  if (hs_compile_multi(expressions.data(), flags.data(), ids.data(), kRules, HS_MODE_STREAM, nullptr,
                       &database, &error)) {
    give_up(error->message);
  }
  hs_scratch_t* scratch = nullptr;
  std::array<hs_stream_t*, kBurst> streams{};
  if (hs_alloc_scratch(database, &scratch) != HS_SUCCESS) give_up("no scratch");
  for (hs_stream_t*& stream : streams) {
    if (hs_open_stream(database, 0, &stream) != HS_SUCCESS) give_up("no stream");
  }
  Source source;
  for (auto _ : state) {
    for (unsigned i = 0; i < kSegments; ++i) {
      const auto burst = source.fill(traffic().data, size_t{i} * kBurst, kFrame);
      for (size_t flow = 0; flow < kBurst; ++flow) {
        const char* const payload = rte_pktmbuf_mtod_offset(burst[flow], const char*, kFrame - kPayload);
        hs_scan_stream(streams[flow], payload, kPayload, 0, scratch, ignore, nullptr);
      }
    }
    for (hs_stream_t* stream : streams) hs_reset_stream(stream, 0, scratch, nullptr, nullptr);
  }
  count(state);
  for (hs_stream_t* stream : streams) hs_close_stream(stream, nullptr, nullptr, nullptr);
  hs_free_scratch(scratch);
  hs_free_database(database);
}

std::shared_ptr<Inspection> inspection() {
  InspectionPlan plan{.bytes = kSegments * kPayload + 1, .streams = 64, .rules = rules()};
  for (uint32_t i = 0; i < kRules; ++i) plan.places.push_back(i);
  plan.counts = InspectionCounts::create(1).value();
  auto made = Inspection::compile(std::move(plan));
  if (!made) give_up(made.error().message.c_str());
  return *made;
}

/// One poll of the worker.
void work(WorkerRig& rig, std::span<rte_mbuf* const> burst) {
  std::array<rte_mbuf*, kBurst> packets;
  std::copy(burst.begin(), burst.end(), packets.begin());
  process(rig.worker(), test::kEdge, packets);
  rig.worker().transmit.flush();
  rig.worker().drops.free_pending();
  sink().empty();
}

void end_all_flows(WorkerRig& rig) {
  lb::FlowTable& flows = rig.worker().balancer.flows();
  for (lb::FlowIndex i = 0; flows.size() != 0; ++i) {
    if (flows.at(i).state != lb::FlowState::kFree && !flows.at(i).is_reply)
      rig.worker().balancer.end(flows.at(i));
  }
  tidy_inspection(rig.worker());
}

void pipeline(benchmark::State& state) {
  WorkerRig rig({.flow_table_entries = 1024}, pool(), sink().device);
  rig.tables()->inspections = std::make_shared<const dataplane::InspectionList>(1, inspection());
  adopt_inspections(rig.worker());
  Source source;
  for (auto _ : state) {
    state.PauseTiming();
    end_all_flows(rig);
    work(rig, source.fill(traffic().syns, 0, kFrame - kPayload));
    state.ResumeTiming();
    for (unsigned i = 0; i < kSegments; ++i)
      work(rig, source.fill(traffic().data, size_t{i} * kBurst, kFrame));
  }
  count(state);
  if (rig.dropped() != 0) give_up("a packet was dropped");
  end_all_flows(rig);
}

BENCHMARK(floor);
BENCHMARK(hyperscan);
BENCHMARK(pipeline);

}  // namespace
}  // namespace sluice::perf

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  sluice::perf::start_eal({argv[0], "--no-pci", "--no-telemetry", "--no-shconf", "--log-level=err",
                           "--file-prefix=sluice-inspection", sluice::perf::memory_argument(), "-m", "64"});
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
