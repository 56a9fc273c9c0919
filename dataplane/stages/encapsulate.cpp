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
constexpr size_t kMostSealedTogether = 32;

using Waiting = EspWorker::Waiting;
using Run = std::span<Waiting>;

void drop(Worker& worker, Waiting waiting, DropReason reason, DropDetail detail = DropDetail::kNone) {
  waiting.strip_mark();
  worker.drops.drop(waiting.packet, reason, detail);
}

void refuse(Worker& worker, const Tunnel& tunnel, const Waiting& waiting, TunnelDrop reason) {
  tunnel.state->counters[worker.place.index].drop(reason);
  drop(worker, waiting, DropReason::kDenied, DropDetail::kTunnel);
}

/// Why nothing can be sent by a tunnel without an association: it could leave in clear alone.
TunnelDrop reason_without_keys(const Tunnel& tunnel) {
  return tunnel.lacks_storage ? TunnelDrop::kSequenceExhausted : TunnelDrop::kClear;
}

/// What has to lie in front of a tunnel's packets.
size_t front_bytes(const Tunnel& tunnel, const PortView& view) {
  return tunnel.header.bytes() + sizeof(EspHeader) + ethernet_bytes(view);
}

/// Whether a packet has the room around it that sealing needs, `front` bytes before it.
bool has_room(const Waiting& waiting, size_t front) {
  return size_t{rte_pktmbuf_headroom(waiting.packet)} + waiting.mark_bytes >= front &&
         rte_pktmbuf_tailroom(waiting.packet) >= kMostEspTail;
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
    for (const Waiting& waiting : run) refuse(worker_, tunnel_, waiting, reason);
    return Sent::kAll;
  }

  TunnelFront front_to(const MacAddress& mac) const {
    std::array<uint8_t, TunnelFront::kMostLinkBytes> link;
    write_ethernet(link.data(), view_, mac, tunnel_.header.is_v4() ? ether_type::kIpv4 : ether_type::kIpv6);
    return {tunnel_.header, tunnel_.out->spi, std::span(link).first(ethernet_bytes(view_))};
  }

  Sent send_to(const MacAddress& mac, Run run) {
    SequenceLeases& leases = *tunnel_.out->leases;
    const auto count = static_cast<unsigned>(run.size());
    for (size_t i = 0; i < count; ++i) sealed_[i] = {run[i].ip(), run[i].ip_bytes()};
    const std::span<SealedPacket> packets = std::span(sealed_).first(count);
    const TunnelFront front = front_to(mac);
    for (unsigned tries = 0; tries < kTries; ++tries) {
      if (leases.has_to_wait(worker_.place.index, count)) return Sent::kBehind;
      const auto first = leases.take(count);
      if (!first || (!tunnel_.out->is_extended && *first + count - 1 > UINT32_MAX)) {
        return refuse_all(run, TunnelDrop::kSequenceExhausted);
      }
      seal_packets(worker_.esp->gcm(), *tunnel_.out, front, *first, packets);
      switch (leases.depart(worker_.place.index, *first, count)) {
        case SequenceLeases::Departure::kNow:
          transmit(run);
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

  void transmit(Run run) {
    const bool is_shown = (worker_.watch.any() & stage::kCaptureSent) != 0;
    std::array<rte_mbuf*, kMostSealedTogether> frames;
    uint64_t inner_bytes = 0;
    for (size_t i = 0; i < run.size(); ++i) {
      const SealedPacket& packet = sealed_[i];
      if (is_shown) [[unlikely]]
        run[i].strip_mark();
      inner_bytes += packet.ip_bytes;
      frames[i] = run[i].packet;
      set_data(frames[i], packet.sealed.data(), packet.sealed.data() + packet.sealed.size());
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
bool may_wait(const Worker& worker, const Waiting& waiting, std::span<const Waiting> kept) {
  if (worker.now_ms - waiting.since_ms >= kPatienceMs) return false;
  const Tunnel& tunnel = worker.tables->tunnels->tunnels()[waiting.tunnel - 1u];
  // Numbers of other workers are out of the way within a poll of theirs.
  if (tunnel.state->counters.size() > 1 && kept.size() < EspWorker::kMostWaiting / 2) return true;
  return static_cast<size_t>(std::count_if(kept.begin(), kept.end(), [&](const Waiting& other) {
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
    for (const Waiting& waiting : run) {
      if (may_wait(worker, waiting, all.first(kept))) {
        all[kept++] = waiting;
      } else {
        drop(worker, waiting, reason);
      }
    }
  }
  worker.esp->keep_first(kept);
}

/// Takes over a packet: it waits until the poll's end, or another worker has it.
void await(Worker& worker, Waiting waiting) {
  const Tunnel& tunnel = worker.tables->tunnels->tunnels()[waiting.tunnel - 1u];
  if (tunnel.out == nullptr || worker.esp == nullptr) {
    return refuse(worker, tunnel, waiting, reason_without_keys(tunnel));
  }
  if (!has_room(waiting, front_bytes(tunnel, worker.tables->ports[tunnel.port]))) {
    return drop(worker, waiting, DropReason::kNoHeadroom);
  }
  if (!worker.transmit.has_queue(tunnel.port)) {
    waiting.strip_mark();
    meta_of(waiting.packet).tunnel = waiting.tunnel;
    if (worker.transmit.hand_over_plaintext(waiting.packet)) return;
    meta_of(waiting.packet).tunnel = 0;  // the buffer's next frame is for no tunnel
    worker.stats.ring_full.add();
    return drop(worker, waiting, DropReason::kRingFull, DropDetail::kWorkerRingFull);
  }
  if (worker.esp->add(waiting)) return;
  send_waiting(worker);
  if (!worker.esp->add(waiting)) drop(worker, waiting, DropReason::kTxFull);
}

/// Whether packets of a tunnel need nothing but room, before them and among those that wait.
bool is_usual(const Worker& worker, const Tunnel& tunnel) {
  return tunnel.out != nullptr && worker.esp != nullptr && worker.transmit.has_queue(tunnel.port);
}

}  // namespace

void encapsulate_marked(Worker& worker, std::optional<uint8_t> in_port) {
  uint16_t usual = 0;  // the tunnel of the packet before, if that is_usual()
  size_t front = 0;
  for (rte_mbuf* const packet : worker.transmit.take_for_tunnels()) {
    const auto mark = load<TunnelMark>(rte_pktmbuf_mtod(packet, const uint8_t*));
    const Waiting waiting{.packet = packet,
                          .since_ms = worker.now_ms,
                          .tunnel = mark.tunnel,
                          .mark_bytes = sizeof mark,
                          .in_port = in_port ? *in_port : meta_of(packet).in_port,
                          .service = mark.service,
                          .backend = mark.backend};
    if (mark.tunnel != usual) [[unlikely]] {
      const Tunnel& tunnel = worker.tables->tunnels->tunnels()[mark.tunnel - 1u];
      usual = is_usual(worker, tunnel) ? mark.tunnel : uint16_t{0};
      front = front_bytes(tunnel, worker.tables->ports[tunnel.port]);
    }
    if (usual == 0 || !has_room(waiting, front) || !worker.esp->add(waiting)) [[unlikely]]
      await(worker, waiting);
  }
}

void encapsulate(Worker& worker, uint16_t tunnel_number, rte_mbuf* packet) {
  encapsulate_marked(worker, std::nullopt);  // of its flow, they come first
  await(worker, {.packet = packet, .since_ms = worker.now_ms, .tunnel = tunnel_number});
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
  for (Waiting waiting : all) {
    const uint8_t* const ip = waiting.ip();
    waiting.tunnel = tunnels == nullptr ? 0 : tunnels->leading_to(destination_of(ip, *ip >> 4 == 4));
    bool can_go = waiting.tunnel != 0;
    if (can_go) {
      const Tunnel& tunnel = tunnels->tunnels()[waiting.tunnel - 1u];
      can_go = has_room(waiting, front_bytes(tunnel, worker.tables->ports[tunnel.port]));
    }
    if (can_go) {
      all[kept++] = waiting;
    } else {
      drop(worker, waiting, DropReason::kDenied, DropDetail::kTunnel);
    }
  }
  worker.esp->keep_first(kept);
}

void give_up_tunnels(Worker& worker) {
  if (worker.esp == nullptr) return;
  for (const Waiting& waiting : worker.esp->waiting()) {
    drop(worker, waiting, DropReason::kNeighborUnresolved);
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
