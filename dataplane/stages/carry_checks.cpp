#include "dataplane/stages/carry_checks.h"

#include <algorithm>
#include <cstring>

#include "dataplane/stages/forward.h"
#include "dataplane/stages/punt.h"

namespace sluice::dataplane {
namespace {

constexpr unsigned kPacketsPerPoll = 8;

/// A frame as if it had come in, with what forwarding reads of it. Null: no buffer.
rte_mbuf* frame_of(Worker& worker, const CheckPacket& check) {
  rte_mbuf* const frame = rte_pktmbuf_alloc(worker.pool);
  if (frame == nullptr) return nullptr;
  const auto bytes = static_cast<uint16_t>(sizeof(EthernetHeader) + check.size);
  auto* const start = reinterpret_cast<uint8_t*>(rte_pktmbuf_append(frame, bytes));
  if (start == nullptr) {
    rte_pktmbuf_free(frame);
    return nullptr;
  }
  store(start, EthernetHeader{});  // nobody sent it
  std::memcpy(start + sizeof(EthernetHeader), check.bytes.data(), check.size);
  PacketMeta& meta = meta_of(frame);
  meta = {};
  meta.kind = PacketKind::kFlow;
  meta.l3_offset = sizeof(EthernetHeader);
  meta.ip_bytes = check.size;
  const uint8_t* const ip = start + sizeof(EthernetHeader);
  const bool is_v4 = *ip >> 4 == 4;
  const size_t ip_header = ip_header_bytes(is_v4);
  meta.l4_offset = static_cast<uint16_t>(meta.l3_offset + ip_header);
  meta.key.source = source_of(ip, is_v4);
  meta.key.destination = destination_of(ip, is_v4);
  meta.key.protocol = is_v4 ? reinterpret_cast<const Ipv4Header*>(ip)->protocol
                            : reinterpret_cast<const Ipv6Header*>(ip)->next_header;
  meta.key.source_port = load<Be16>(ip + ip_header);
  meta.key.destination_port = load<Be16>(ip + ip_header + sizeof(Be16));
  return frame;
}

void send_check(Worker& worker, const CheckPacket& check) {
  rte_mbuf* const packet = frame_of(worker, check);
  if (packet == nullptr) return;
  worker.stats.originated.add();
  bare_ip(packet);
  const PacketMeta& meta = meta_of(packet);
  const Egress egress = route_to(*worker.tables, check.backend, meta.in_port);
  if (!egress.found) return worker.drops.drop(packet, DropReason::kNoRoute);
  lb::Backend backend;
  backend.address = check.backend;
  const PathRewrite path = path_rewrite(check.mode, {backend, worker.tables->encapsulation, meta.is_v4()});
  const size_t needed = packet->pkt_len + path.outer.bytes;
  // Nobody is to be told: the sender is here, and has its own deadline.
  if (needed > largest_packet(worker, egress)) return worker.drops.drop(packet, DropReason::kTooBig);
  meta.is_v4() ? forward_by<true>(worker, packet, meta.key, path, egress, nullptr)
               : forward_by<false>(worker, packet, meta.key, path, egress, nullptr);
}

}  // namespace

unsigned send_checks(Worker& worker) {
  if (worker.checks == nullptr) return 0;
  unsigned sent = 0;
  for (CheckPacket check; sent < kPacketsPerPoll && worker.checks->to_worker.pop({&check, 1}) == 1; ++sent) {
    send_check(worker, check);
  }
  return sent;
}

bool take_check_answer(Worker& worker, rte_mbuf* packet) {
  const PacketMeta& meta = meta_of(packet);
  if (worker.checks == nullptr || !worker.checks->ports.is_open(meta.key.destination_port.host()) ||
      !is_own_address(*worker.tables, meta.key.destination)) {
    return false;
  }
  CheckPacket answer;
  if (meta.ip_bytes > answer.bytes.size() || size_t{meta.l3_offset} + meta.ip_bytes > packet->data_len) {
    worker.drops.drop(packet, DropReason::kTooBig);
    return true;
  }
  answer.size = meta.ip_bytes;
  std::memcpy(answer.bytes.data(), rte_pktmbuf_mtod_offset(packet, const uint8_t*, meta.l3_offset),
              answer.size);
  if (worker.checks->from_worker.push(answer)) {
    worker.drops.discard(packet);
  } else {
    worker.drops.drop(packet, DropReason::kRingFull);
  }
  return true;
}

}  // namespace sluice::dataplane
