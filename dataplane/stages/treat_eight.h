// treat.h for eight packets at a time. Called by the worker that owns their flows.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/forward/client_ways.h"
#include "dataplane/forward/eight_flows.h"
#include "dataplane/stages/burst_flows.h"
#include "dataplane/stages/forward_known.h"
#include "dataplane/stages/treat.h"

namespace sluice::dataplane {

/// Treats eight packets that may go by their paths, and counts them for their backends; or, where they are
/// answers, which have one way to clients. Returns how many bytes they were together, as frames.
template <bool is_v4, Treatment treatment, bool are_answers = false>
[[gnu::always_inline]] inline uint64_t treat_eight(Worker& worker, const BurstFlows& burst, size_t first,
                                                   const EightPlaces& path, const ClientWay* way = nullptr) {
  lb::FlowEntry* const* const flows = &burst.flows[first];
  const uint32_t* const frame_bytes = burst.packets.all_frame_bytes(first);
  uint64_t bytes = 0;
#pragma GCC unroll 8
  for (size_t i = 0; i < kEight; ++i) {
    bytes += frame_bytes[i];
    if constexpr (!are_answers) path[i]->counters->count_packet(frame_bytes[i]);
  }
  std::array<uint8_t*, kEight> treated;
  EightPackets front = burst.packets.ips(first);
  if constexpr (treatment == Treatment::kTranslate) {
    const PlainPackets& packets = burst.packets;
    translate_eight<is_v4>(
        worker.balancer.flows(), front, flows,
        {packets.header_words(first), packets.layer_4_words(first), packets.of_udp(first)});
  } else {
    for (size_t i = 0; i < kEight; ++i) {
      treated[i] = treat_as<is_v4, treatment>(worker, path[i]->rewrite, flows[i], nullptr,
                                              burst.places<is_v4>(first + i));
    }
    front = treated.data();
  }
  const auto link_of = [&](size_t i) -> const LinkHeader& {
    return are_answers ? way->link : path[i]->rewrite.link;
  };
  const size_t link_bytes = link_of(0).bytes;
  write_links(front, link_bytes, link_of);
  if (treatment != Treatment::kEncapsulate && link_bytes == burst.link_bytes &&
      !burst.packets.are_padded(first)) {
    return bytes;  // they keep their sizes and their places
  }
  for (size_t i = 0; i < kEight; ++i) {
    const PacketPlaces at = burst.places<is_v4>(first + i);
    set_data(burst.frames[first + i], front[i] - link_bytes, at.ip + at.ip_bytes);
  }
  return bytes;
}

}  // namespace sluice::dataplane
