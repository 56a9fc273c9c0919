#include "dataplane/stages/encapsulate.h"

#include <algorithm>
#include <array>

#include "dataplane/esp/esp_packet.h"
#include "dataplane/esp/esp_worker.h"
#include "dataplane/esp/tunnel_tables.h"
#include "dataplane/packet/ethernet.h"
#include "dataplane/stages/forward_known.h"
#include "dataplane/stages/route.h"

namespace sluice::dataplane {
namespace {

constexpr uint32_t kPatienceMs = 3'000;  ///< as long as neighbors are asked for
constexpr size_t kMostUnresolved =
    8;                          ///< of one tunnel: what comes after is dropped until its next hop is known
constexpr unsigned kTries = 4;  ///< to leave with numbers that are not too far behind

using Run = std::span<EspWorker::Waiting>;

void refuse(Worker& worker, const Tunnel& tunnel, rte_mbuf* packet, TunnelDrop reason) {
  tunnel.state->counters[worker.place.index].drop(reason);
  worker.drops.drop(packet, DropReason::kDenied, DropDetail::kTunnel);
}

/// Why nothing can be sent by a tunnel without an association: it could leave in clear alone.
TunnelDrop reason_without_keys(const Tunnel& tunnel) {
  return tunnel.lacks_storage ? TunnelDrop::kSequenceExhausted : TunnelDrop::kClear;
}

uint8_t* ip_of(rte_mbuf* packet) {
  return rte_pktmbuf_mtod(packet, uint8_t*);
}

/// Whether a packet has the room around it that sealing needs, and the way out's Ethernet header.
bool has_room(const rte_mbuf* packet, const Tunnel& tunnel, const PortView& view) {
  const size_t front = tunnel.header.bytes() + sizeof(EspHeader) + ethernet_bytes(view);
  return rte_pktmbuf_headroom(packet) >= front && rte_pktmbuf_tailroom(packet) >= kMostEspTail;
}

enum class Sent : uint8_t {
  kAll,
  kUnresolved,  ///< none: they wait for a neighbor
  kBehind,      ///< none: they wait until another worker has sent lower numbers
};

/// Packets of one tunnel on their way.
class Sender {
 public:
  Sender(Worker& worker, uint16_t tunnel)
      : worker_(worker),
        tunnel_(worker.tables->tunnels->tunnels()[tunnel - 1u]),
        view_(worker.tables->ports[tunnel_.port]) {}

  Sent send(Run run) {
    if (tunnel_.out == nullptr) return refuse_all(run, reason_without_keys(tunnel_));
    const MacAddress* const mac = worker_.neighbors.mac_or_ask(
        *worker_.tables, tunnel_.port, tunnel_.next_hop, worker_.now_ms, worker_.transmit);
    if (mac == nullptr) return Sent::kUnresolved;
    return send_to(*mac, run);
  }

 private:
  Sent refuse_all(Run run, TunnelDrop reason) {
    for (const EspWorker::Waiting& waiting : run) refuse(worker_, tunnel_, waiting.packet, reason);
    return Sent::kAll;
  }

  Sent send_to(const MacAddress& mac, Run run) {
    SequenceLeases& leases = *tunnel_.out->leases;
    const auto count = static_cast<unsigned>(run.size());
    for (size_t i = 0; i < count; ++i) sealed_[i] = {ip_of(run[i].packet), run[i].packet->pkt_len};
    const std::span<SealedPacket> packets = std::span(sealed_).first(count);
    for (unsigned tries = 0; tries < kTries; ++tries) {
      const auto first = leases.take(count);
      if (!first || (!tunnel_.out->is_extended && *first + count - 1 > UINT32_MAX)) {
        return refuse_all(run, TunnelDrop::kSequenceExhausted);
      }
      seal_packets(worker_.esp->gcm(), *tunnel_.out, tunnel_.header, *first, packets);
      switch (leases.depart(worker_.place.index, *first, count)) {
        case SequenceLeases::Departure::kNow:
          transmit(mac, run);
          leases.left(worker_.place.index);
          return Sent::kAll;
        case SequenceLeases::Departure::kLater:
          unseal(*first, packets);
          return Sent::kBehind;
        case SequenceLeases::Departure::kStale:
          unseal(*first, packets);
          break;
      }
    }
    return Sent::kBehind;
  }

  void unseal(uint64_t number, std::span<const SealedPacket> packets) {
    for (const SealedPacket& packet : packets) {
      unseal_packet(worker_.esp->gcm(), *tunnel_.out, number++, packet.ip, packet.ip_bytes);
    }
  }

  void transmit(const MacAddress& mac, Run run) {
    LinkHeader link{.port = static_cast<uint8_t>(tunnel_.port),
                    .bytes = static_cast<uint8_t>(ethernet_bytes(view_))};
    write_ethernet(link.header.data(), view_, mac,
                   tunnel_.header.is_v4() ? ether_type::kIpv4 : ether_type::kIpv6);
    std::array<rte_mbuf*, kMostSealedTogether> frames;
    uint64_t inner_bytes = 0;
    for (size_t i = 0; i < run.size(); ++i) {
      const SealedPacket& sealed = sealed_[i];
      inner_bytes += sealed.ip_bytes;
      uint8_t* const frame = sealed.sealed.data() - link.bytes;
      link.write(frame);
      frames[i] = run[i].packet;
      set_data(frames[i], frame, sealed.sealed.data() + sealed.sealed.size());
    }
    TunnelCounters& counters = tunnel_.state->counters[worker_.place.index];
    counters.packets_out.add(run.size());
    counters.bytes_out.add(inner_bytes);
    worker_.transmit.send(tunnel_.port, std::span(frames).first(run.size()));
    // With others at work on the same numbers they leave now: whoever looks next is to find them gone.
    if (tunnel_.state->counters.size() > 1) worker_.transmit.flush();
  }

  Worker& worker_;
  const Tunnel& tunnel_;
  const PortView& view_;
  std::array<SealedPacket, kMostSealedTogether> sealed_;
};
static_assert(kMostSealedTogether <= Transmit::kBuffer);

/// What packets of a flush have to wait for: those of tunnels of which one does.
class Held {
 public:
  /// kAll: for nothing.
  Sent& of(uint16_t tunnel) { return causes_[tunnel % causes_.size()]; }

 private:
  std::array<Sent, 64> causes_{};  ///< one that waits for another tunnel's sake waits for one poll
};

/// Whether a packet that cannot leave now may wait.
bool may_wait(const Worker& worker, const EspWorker::Waiting& waiting,
              std::span<const EspWorker::Waiting> kept) {
  if (worker.now_ms - waiting.since_ms >= kPatienceMs) return false;
  const Tunnel& tunnel = worker.tables->tunnels->tunnels()[waiting.tunnel - 1u];
  // Numbers of other workers are out of the way within a poll of theirs.
  if (tunnel.state->counters.size() > 1 && kept.size() < EspWorker::kMostWaiting / 2) return true;
  return static_cast<size_t>(std::count_if(kept.begin(), kept.end(), [&](const EspWorker::Waiting& other) {
           return other.tunnel == waiting.tunnel;
         })) < kMostUnresolved;
}

/// The packets from the first on that can be sent together.
Run next_run(const Worker& worker, Run waiting) {
  const uint16_t tunnel = waiting.front().tunnel;
  const auto& out = worker.tables->tunnels->tunnels()[tunnel - 1u].out;
  const size_t most = std::min<size_t>(
      {waiting.size(), kMostSealedTogether, out == nullptr ? kMostSealedTogether : out->leases->most()});
  size_t size = 1;
  while (size < most && waiting[size].tunnel == tunnel) ++size;
  return waiting.first(size);
}

/// Encrypts and sends what waits, as far as it can leave.
void send_waiting(Worker& worker) {
  const Run all = worker.esp->waiting();
  Held held;
  size_t kept = 0;
  for (size_t at = 0; at < all.size();) {
    const Run run = next_run(worker, all.subspan(at));
    at += run.size();
    const uint16_t tunnel = run.front().tunnel;
    Sent& cause = held.of(tunnel);
    if (cause == Sent::kAll) cause = Sender(worker, tunnel).send(run);
    if (cause == Sent::kAll) continue;
    const DropReason reason =
        cause == Sent::kUnresolved ? DropReason::kNeighborUnresolved : DropReason::kTxFull;
    for (const EspWorker::Waiting& waiting : run) {
      if (may_wait(worker, waiting, all.first(kept))) {
        all[kept++] = waiting;
      } else {
        worker.drops.drop(waiting.packet, reason);
      }
    }
  }
  worker.esp->keep_first(kept);
}

/// Takes over a bare packet: it waits until the poll's end, or another worker has it.
void await(Worker& worker, uint16_t tunnel_number, rte_mbuf* packet) {
  const Tunnel& tunnel = worker.tables->tunnels->tunnels()[tunnel_number - 1u];
  if (tunnel.out == nullptr || worker.esp == nullptr) {
    return refuse(worker, tunnel, packet, reason_without_keys(tunnel));
  }
  if (!has_room(packet, tunnel, worker.tables->ports[tunnel.port])) {
    return worker.drops.drop(packet, DropReason::kNoHeadroom);
  }
  if (!worker.transmit.has_queue(tunnel.port)) {
    meta_of(packet).tunnel = tunnel_number;
    if (worker.transmit.hand_over_bare(packet)) return;
    meta_of(packet).tunnel = 0;  // the buffer's next frame is for no tunnel
    worker.stats.ring_full.add();
    return worker.drops.drop(packet, DropReason::kRingFull);
  }
  const EspWorker::Waiting waiting{packet, worker.now_ms, tunnel_number};
  if (worker.esp->add(waiting)) return;
  send_waiting(worker);
  if (!worker.esp->add(waiting)) worker.drops.drop(packet, DropReason::kTxFull);
}

}  // namespace

void encapsulate_marked(Worker& worker, std::optional<uint8_t> in_port) {
  for (rte_mbuf* const packet : worker.transmit.take_for_tunnels()) {
    const auto mark = load<TunnelMark>(rte_pktmbuf_mtod(packet, const uint8_t*));
    rte_pktmbuf_adj(packet, sizeof mark);
    PacketMeta& meta = meta_of(packet);
    if (in_port) meta.in_port = *in_port;
    meta.l3_offset = 0;  // there is no Ethernet header any more
    meta.bare_at = packet->data_off;
    meta.tunnel = 0;
    meta.bind(mark.service, mark.backend);
    await(worker, mark.tunnel, packet);
  }
}

void encapsulate(Worker& worker, uint16_t tunnel_number, rte_mbuf* packet) {
  encapsulate_marked(worker, std::nullopt);  // of its flow, they come first
  await(worker, tunnel_number, packet);
}

void send_encrypted(Worker& worker) {
  if (worker.esp != nullptr && worker.esp->has_waiting()) send_waiting(worker);
}

void encapsulate_handed_over(Worker& worker, rte_mbuf* packet) {
  meta_of(packet).tunnel = 0;
  // Its tunnel by the Tables of this worker, which may be others. What was to be encrypted leaves in no other
  // way.
  const auto* const ip = rte_pktmbuf_mtod(packet, const uint8_t*);
  const auto& tunnels = worker.tables->tunnels;
  const uint16_t tunnel = tunnels == nullptr ? 0 : tunnels->leading_to(destination_of(ip, *ip >> 4 == 4));
  if (tunnel == 0) return worker.drops.drop(packet, DropReason::kDenied, DropDetail::kTunnel);
  encapsulate(worker, tunnel, packet);
}

void find_tunnels_anew(Worker& worker) {
  if (worker.esp == nullptr || !worker.esp->has_waiting()) return;
  const Run all = worker.esp->waiting();
  const auto& tunnels = worker.tables->tunnels;
  size_t kept = 0;
  for (EspWorker::Waiting waiting : all) {
    const auto* const ip = rte_pktmbuf_mtod(waiting.packet, const uint8_t*);
    waiting.tunnel = tunnels == nullptr ? 0 : tunnels->leading_to(destination_of(ip, *ip >> 4 == 4));
    const bool can_go =
        waiting.tunnel != 0 && has_room(waiting.packet, tunnels->tunnels()[waiting.tunnel - 1u],
                                        worker.tables->ports[tunnels->tunnels()[waiting.tunnel - 1u].port]);
    if (can_go) {
      all[kept++] = waiting;
    } else {
      worker.drops.drop(waiting.packet, DropReason::kDenied, DropDetail::kTunnel);
    }
  }
  worker.esp->keep_first(kept);
}

void give_up_tunnels(Worker& worker) {
  if (worker.esp == nullptr) return;
  for (const EspWorker::Waiting& waiting : worker.esp->waiting()) {
    worker.drops.drop(waiting.packet, DropReason::kNeighborUnresolved);
  }
  worker.esp->keep_first(0);
}

size_t tunnel_mtu(const Worker& worker, uint16_t tunnel_number) {
  const Tunnel& tunnel = worker.tables->tunnels->tunnels()[tunnel_number - 1u];
  const uint16_t path = tunnel.state->path_mtu.at(worker.now_ms);
  const size_t mtu = path == 0 ? tunnel.mtu : std::min(path, tunnel.mtu);
  return most_inner_bytes(mtu, tunnel.header.bytes());
}

}  // namespace sluice::dataplane
