#include "dataplane/roles/topology.h"

#include <algorithm>
#include <array>

#include "dataplane/device/eal.h"
#include "dataplane/ingress/hash_job.h"
#include "dataplane/ingress/journal_rings.h"
#include "dataplane/ingress/sealer.h"
#include "dataplane/roles/station.h"
#include "dataplane/tables/notice.h"
#include "dataplane/worker/check_lane.h"
#include "ledger/ingest.h"

namespace sluice::dataplane {
namespace {

constexpr size_t kPacketRing = 512;

constexpr std::array<ThreadRoleRow, kThreadRoles> kThreadRoleRows = {{
    {"control", "everything that is no packet: one event loop"},
    {"worker",
     "receives from its queue of every port, parses, steers; balances where there are no LB workers"},
    {"lb_worker", "balances what workers hand to it"},
    {"hash_worker", "hashes transactions; the first one seals blocks"},
    {"journal", "writes the log of the ledger"},
    {"journal_sync", "waits for the disk, for blocks"},
    {"checkpoint_sync", "waits for the disk, for checkpoints"},
}};

constexpr std::array<RingUseRow, kRingUses> kRingUseRows = {{
    {"packets", "parsed packets, to who balances them; ARP and NDP to every worker", kPacketRing},
    {"frames",
     "finished frames, and what is to leave by an ESP tunnel, to a worker that has a transmit queue",
     kPacketRing},
    {"questions", "of `trace.explain`, `flow.list` and the like, to the worker that owns the flows",
     Station::kQuestions},
    {"notices", "what a worker has to say in the log", Notices::kRing},
    {"checks", "packets of health checks that go through services, to the worker that forwards them",
     CheckLane::kRing},
    {"check_answers", "what backends answer to them", CheckLane::kRing},
    {"transactions", "as they were received, to the hash worker of their source", kPacketRing},
    {"answers", "to clients of the ledger, to the worker that received their requests", kPacketRing},
    {"hashed", "transactions with their hashes, to the sealing hash worker", kHashJobs},
    {"released", "the memory of hashed transactions, back to their hash worker", kHashJobs},
    {"receipts", "what became of transactions, to the hash worker that answers", kReceiptRing},
    {"submitted", "transactions and questions of the control socket", Sealer::kSubmitted},
    {"sealed_blocks", "blocks to write", ledger::IngestLimits{}.blocks},
    {"durable_blocks", "blocks that are written and synced, or refused", ledger::IngestLimits{}.blocks},
    {"look_ups", "receipts of repeats that lack their leaf hash", JournalRings::kLookUps},
    {"looked_up", "the same, completed", JournalRings::kLookUps},
}};

void add_threads(Topology& topology, ThreadRole role, std::span<const unsigned> cpus) {
  for (unsigned i = 0; i < cpus.size(); ++i) topology.threads.push_back({role, i, cpus[i]});
}

std::vector<WorkerPlace> plan_places(const BootConfig& config, std::span<const PortPlan> ports) {
  const auto receivers = static_cast<unsigned>(config.workers.size());
  const auto balancers = static_cast<unsigned>(config.lb_workers.size());
  const bool splits_flows =
      std::any_of(ports.begin(), ports.end(), [](const auto& p) { return p.splits_flows; });
  std::vector<WorkerPlace> places;
  for (unsigned i = 0; i < receivers + balancers; ++i) {
    const bool receives = i < receivers;
    WorkerPlace place;
    place.index = i;
    place.receives = receives;
    place.balances = balancers == 0 || !receives;
    place.balancer = receives ? i : i - receivers;
    place.balancers = balancers == 0 ? receivers : balancers;
    place.rx_workers = receivers;
    place.owns_by_client = balancers > 0 || splits_flows;
    places.push_back(place);
  }
  return places;
}

void plan_ledger_threads(const BootConfig& config, Topology& topology) {
  if (!config.ledger) return;
  add_threads(topology, ThreadRole::kHashWorker, config.hash_workers);
  const bool in_place = config.hash_workers.empty();
  const auto first = in_place ? lcore_of(0) : lcore_of(topology.workers());
  const size_t count = in_place ? config.workers.size() : config.hash_workers.size();
  for (unsigned i = 0; i < count; ++i) topology.hash_threads.push_back(first + i);
  for (const ThreadRole role :
       {ThreadRole::kJournal, ThreadRole::kJournalSync, ThreadRole::kCheckpointSync}) {
    topology.threads.push_back({role, 0, std::nullopt});
  }
}

void plan_queues(const BootConfig& config, std::span<const PortPlan> ports, Topology& topology) {
  topology.receive_queues.resize(topology.workers());
  for (size_t port = 0; port < ports.size(); ++port) {
    for (uint16_t queue = 0; queue < ports[port].rx_queues; ++queue) {
      topology.receive_queues[queue % config.workers.size()].push_back(
          {ports[port].device, queue, static_cast<uint8_t>(port)});
    }
  }
}

void plan_worker_rings(std::span<const PortPlan> ports, Topology& topology) {
  const unsigned workers = topology.workers();
  unsigned everywhere = workers;  // workers below have a TX queue on every device
  for (const PortPlan& port : ports) everywhere = std::min<unsigned>(everywhere, port.tx_queues);
  for (unsigned from = 0; from < workers; ++from) {
    for (unsigned to = 0; to < workers; ++to) {
      const bool is_wanted = topology.places[from].receives || topology.places[to].balances;
      if (from == to || !is_wanted) continue;
      topology.rings.push_back({RingUse::kPackets, lcore_of(from), lcore_of(to)});
    }
    if (from >= everywhere) {
      topology.rings.push_back({RingUse::kFrames, lcore_of(from), lcore_of(from % everywhere)});
    }
    topology.rings.push_back({RingUse::kQuestions, 0, lcore_of(from)});
    topology.rings.push_back({RingUse::kNotices, lcore_of(from), 0});
    if (!topology.places[from].balances) continue;
    topology.rings.push_back({RingUse::kChecks, 0, lcore_of(from)});
    topology.rings.push_back({RingUse::kCheckAnswers, lcore_of(from), 0});
  }
}

void plan_ledger_rings(const BootConfig& config, Topology& topology) {
  if (topology.hash_threads.empty()) return;
  const unsigned sealer = topology.hash_threads.front();
  for (unsigned worker = 0; worker < config.workers.size(); ++worker) {
    for (const unsigned hash : topology.hash_threads) {
      topology.rings.push_back({RingUse::kTransactions, lcore_of(worker), hash});
      topology.rings.push_back({RingUse::kAnswers, hash, lcore_of(worker)});
    }
  }
  for (const unsigned hash : topology.hash_threads) {
    topology.rings.push_back({RingUse::kHashed, hash, sealer});
    topology.rings.push_back({RingUse::kReleased, sealer, hash});
    topology.rings.push_back({RingUse::kReceipts, sealer, hash});
  }
  const auto is_journal = [](const Thread& thread) { return thread.role == ThreadRole::kJournal; };
  const auto journal = static_cast<unsigned>(
      std::find_if(topology.threads.begin(), topology.threads.end(), is_journal) - topology.threads.begin());
  topology.rings.push_back({RingUse::kSubmitted, 0, sealer});
  topology.rings.push_back({RingUse::kSealedBlocks, sealer, journal});
  topology.rings.push_back({RingUse::kDurableBlocks, journal, sealer});
  topology.rings.push_back({RingUse::kLookUps, sealer, journal});
  topology.rings.push_back({RingUse::kLookedUp, journal, sealer});
}

}  // namespace

const ThreadRoleRow& row_of(ThreadRole role) {
  return kThreadRoleRows[static_cast<size_t>(role)];
}
const RingUseRow& row_of(RingUse use) {
  return kRingUseRows[static_cast<size_t>(use)];
}

std::string Thread::name() const {
  std::string name(row_of(role).name);
  const bool is_one_of_several =
      role == ThreadRole::kWorker || role == ThreadRole::kLbWorker || role == ThreadRole::kHashWorker;
  return is_one_of_several ? name + " " + std::to_string(index) : name;
}

bool Topology::hashes_in_place() const {
  return !hash_threads.empty() && threads[hash_threads.front()].role == ThreadRole::kWorker;
}

Topology plan_topology(const BootConfig& config, std::span<const PortPlan> ports) {
  Topology topology;
  topology.threads.push_back({ThreadRole::kControl, 0, std::nullopt});
  add_threads(topology, ThreadRole::kWorker, config.workers);
  add_threads(topology, ThreadRole::kLbWorker, config.lb_workers);
  topology.places = plan_places(config, ports);
  plan_ledger_threads(config, topology);
  plan_queues(config, ports, topology);
  plan_worker_rings(ports, topology);
  plan_ledger_rings(config, topology);
  return topology;
}

}  // namespace sluice::dataplane
