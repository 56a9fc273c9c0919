// A worker that forwards frames which lie ready, and what makes their flows known to it. EAL must run. Used
// by one thread.
#pragma once

#include <rte_mbuf.h>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "common/checksum.h"
#include "common/headers.h"
#include "perf/ready_frames.h"
#include "perf/traffic.h"
#include "perf/worker_rig.h"

namespace sluice::perf {

/// One poll of the worker, on a burst that lies ready.
inline void work(WorkerRig& rig, std::span<rte_mbuf* const> burst, uint8_t port = test::kEdge) {
  dataplane::Worker& worker = rig.worker();
  std::array<rte_mbuf*, dataplane::kBurst> packets;
  std::copy(burst.begin(), burst.end(), packets.begin());
  process(worker, port, packets);
  worker.transmit.flush();
  worker.drops.free_pending();
}

using Burst = std::array<rte_mbuf*, dataplane::kBurst>;

/// Empties the sink, which must hold a whole burst.
inline Burst expect_all_sent() {
  Burst sent;
  if (sink().take(sent) == dataplane::kBurst) return sent;
  give_up("a packet was not forwarded");
}

/// Makes of a packet of TCP over IPv4 what its receiver sends back, where it lies.
inline void turn_round(rte_mbuf* packet, uint8_t tcp_flags) {
  auto* const at = rte_pktmbuf_mtod(packet, uint8_t*);
  uint8_t* const ip = at + sizeof(EthernetHeader);
  auto ethernet = load<EthernetHeader>(at);
  auto header = load<Ipv4Header>(ip);
  auto tcp = load<TcpHeader>(ip + sizeof header);
  std::swap(ethernet.source, ethernet.destination);
  std::swap(header.source, header.destination);
  std::swap(tcp.source_port, tcp.destination_port);
  const uint16_t without = static_cast<uint16_t>(~tcp.checksum.host());
  const uint64_t sum = uint64_t{without} + static_cast<uint16_t>(~uint16_t{tcp.flags}) + tcp_flags;
  tcp.checksum = Be16::from_host(static_cast<uint16_t>(~checksum_fold(sum)));
  tcp.flags = tcp_flags;
  store(at, ethernet);
  store(ip, header);
  store(ip + sizeof header, tcp);
}

inline Duty duty_of(const Traffic& traffic, lb::ForwardMode forward) {
  Duty duty;
  duty.forward = forward;
  duty.protocol = traffic.protocol;
  duty.v6 = traffic.v6;
  // NAT keeps two entries for a flow.
  duty.flow_table_entries = std::max(2 * traffic.flows, 1u << 20);
  return duty;
}

/// Every flow of the source once, so that all are known.
inline void introduce(WorkerRig& rig, Source& source, uint32_t flows) {
  for (uint32_t i = 0; i < flows; i += dataplane::kBurst) {
    work(rig, source.fill());
    expect_all_sent();
  }
}

/// Every connection of the traffic is begun and answered.
inline void establish(WorkerRig& rig, Traffic traffic) {
  traffic.tcp_flags = TcpHeader::kSyn;
  Source source(traffic);
  for (uint32_t i = 0; i < traffic.flows; i += dataplane::kBurst) {
    work(rig, source.fill());
    const Burst answers = expect_all_sent();
    for (rte_mbuf* answer : answers) turn_round(answer, TcpHeader::kSyn | TcpHeader::kAck);
    work(rig, answers, test::kCore);
    expect_all_sent();
  }
}

}  // namespace sluice::perf
