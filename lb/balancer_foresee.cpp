// Where packets go that may begin flows, found out for several at a time before the first of them is decided
// (docs/decisions/0059).
#include <algorithm>
#include <array>

#include "lb/balancer.h"
#include "lb/rebind.h"

namespace sluice::lb {
namespace {

/// Whether a new flow's backend follows from its key alone.
bool picks_by_key(const Service& service) {
  return service.policy == Policy::kMaglev && service.steering == nullptr && !service.pool->empty();
}

bool have_same_destination(const FlowKey& a, const FlowKey& b) {
  return a.destination == b.destination && a.destination_port == b.destination_port &&
         a.protocol == b.protocol;
}

}  // namespace

void Balancer::foresee(const View& view, std::span<const FlowKey* const> keys,
                       std::span<Foresight> foresights) const {
  std::array<size_t, kMostForeseen> by_key;  // whose backends their keys tell
  size_t count = 0;
  const FlowKey* asked = nullptr;  // a storm's packets are mostly for one service
  ServiceId found = kNoService;
  bool tells_backend = false;
  for (size_t i = 0; i < keys.size(); ++i) {
    foresights[i] = {};
    if (keys[i] == nullptr) continue;
    if (asked == nullptr || !have_same_destination(*keys[i], *asked)) {
      asked = keys[i];
      found = find_service(view, *asked);
      tells_backend = found != kNoService && picks_by_key(view.services[found]);
    }
    foresights[i].service = found;
    if (tells_backend) by_key[count++] = i;
  }
  for (size_t first = 0; first < count; first += 4) {
    std::array<const PoolTable*, 4> pools;
    std::array<const FlowKey*, 4> four;
    for (size_t lane = 0; lane < 4; ++lane) {  // where there are fewer, the last one again
      const size_t i = by_key[std::min(first + lane, count - 1)];
      pools[lane] = view.services[foresights[i].service].pool;
      four[lane] = keys[i];
    }
    const std::array<Pick, 4> picks = pick_four(pools, four, view.hash_key);
    for (size_t lane = 0; lane < std::min<size_t>(4, count - first); ++lane) {
      Foresight& foresight = foresights[by_key[first + lane]];
      foresight.pick = picks[lane];
      if (view.services[foresight.service].forward != ForwardMode::kDnat) continue;
      foresight.reply_hash = flows_.hash(reply_key(*four[lane], view.backends[picks[lane].backend]));
      flows_.prefetch_bucket(foresight.reply_hash);
    }
  }
}

}  // namespace sluice::lb
