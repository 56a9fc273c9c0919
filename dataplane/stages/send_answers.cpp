#include "dataplane/stages/send_answers.h"

#include <rte_prefetch.h>

#include <array>

#include "dataplane/base/packet.h"
#include "dataplane/stages/route.h"

namespace sluice::dataplane {
namespace {

/// How many answers ahead an answer's bytes are fetched. Its buffer's header, which says where the bytes are,
/// is fetched twice as far ahead. No farther, since a CPU can have some dozens of lines under way, and may
/// drop what it is asked for beyond them.
constexpr size_t kFetchedAhead = 8;

void fetch_header(rte_mbuf* answer) {
  rte_prefetch0(answer);
  rte_prefetch0(&meta_of(answer));
}

void send_answer(Worker& worker, rte_mbuf* packet) {
  const auto* const ip = rte_pktmbuf_mtod(packet, const uint8_t*);
  const bool is_v4 = *ip >> 4 == 4;
  meta_of(packet).is_bound = false;
  meta_of(packet).link_stripped_at = packet->data_off;
  meta_of(packet).l3_offset = 0;  // nothing came in front of it
  const Egress egress = route_to(*worker.tables, destination_of(ip, is_v4), meta_of(packet).in_port);
  if (!egress.found) return worker.drops.drop(packet, DropReason::kNoRoute, DropDetail::kNoRouteToSender);
  send(worker, egress, packet);
}

}  // namespace

unsigned send_answers(Worker& worker) {
  size_t sent = 0;
  for (PacketRing* ring : worker.from_hash) {
    std::array<rte_mbuf*, kBurst> buffer;
    const std::span<rte_mbuf*> answers = std::span(buffer).first(ring->pop(buffer));
    worker.stats.originated.add(answers.size());
    // They come from another CPU's cache.
    const auto step = [&](size_t i) {
      if (i < answers.size()) fetch_header(answers[i]);
      if (i >= kFetchedAhead && i - kFetchedAhead < answers.size())
        rte_prefetch0(rte_pktmbuf_mtod(answers[i - kFetchedAhead], void*));
    };
    for (size_t i = 0; i < 2 * kFetchedAhead; ++i) step(i);
    for (size_t i = 0; i < answers.size(); ++i) {
      step(i + 2 * kFetchedAhead);
      send_answer(worker, answers[i]);
    }
    sent += answers.size();
  }
  return static_cast<unsigned>(sent);
}

}  // namespace sluice::dataplane
