// Packets of one burst that go to several rings: one push for each ring. Any lcore.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <span>

#include "dataplane/worker/worker.h"

namespace sluice::dataplane {

/// Calls hand(target, packets) once for every value in `targets`; packets of the same one keep their order.
/// Both spans, at most kBurst long and of one length, are used up.
template <typename Hand>
void hand_by_target(std::span<rte_mbuf*> packets, std::span<uint16_t> targets, Hand hand) {
  std::array<rte_mbuf*, kBurst> together;
  size_t left = packets.size();
  while (left > 0) {
    const uint16_t to = targets[0];
    size_t gathered = 0, others = 0;
    for (size_t i = 0; i < left; ++i) {
      if (targets[i] == to) {
        together[gathered++] = packets[i];
      } else {
        targets[others] = targets[i];
        packets[others++] = packets[i];
      }
    }
    hand(to, std::span(together).first(gathered));
    left = others;
  }
}

}  // namespace sluice::dataplane
