#include "dataplane/announcer.h"

#include <algorithm>

#include "dataplane/neighbor_frames.h"

namespace sluice::dataplane {
namespace {

constexpr unsigned kRounds = 2;
constexpr uint32_t kRoundPauseMs = 2'000;

/// Where an address that is nobody's port is announced: on the links it belongs to, or, routed here, on all.
bool belongs_on(const Tables& tables, const PortView& port, const IpAddress& address) {
  const auto holds = [&](const PortView& candidate) {
    return std::any_of(candidate.addresses.begin(), candidate.addresses.end(),
                       [&](const Prefix& own) { return own.contains(address); });
  };
  return holds(port) || std::none_of(tables.ports.begin(), tables.ports.end(), holds);
}

}  // namespace

void Announcer::tick(const Tables& tables, uint32_t now_ms, Transmit& transmit) {
  if (tables.vips_generation != generation_) {
    generation_ = tables.vips_generation;
    rounds_left_ = kRounds;
    next_ = 0;
    next_ms_ = now_ms;
  }
  if (rounds_left_ == 0 || static_cast<int32_t>(now_ms - next_ms_) < 0) return;
  next_ms_ = now_ms + 1;
  if (announce(tables, next_++, transmit)) return;
  --rounds_left_;
  next_ = 0;
  next_ms_ = now_ms + kRoundPauseMs;
}

bool Announcer::announce(const Tables& tables, size_t number, Transmit& transmit) {
  const auto send = [&](size_t port, const IpAddress& address) {
    rte_mbuf* const frame = make_announcement(pool_, tables.ports[port], address);
    if (frame != nullptr) transmit.send_new(static_cast<uint16_t>(port), frame);
    return true;
  };
  for (size_t port = 0; port < tables.ports.size(); ++port) {
    const auto& own = tables.ports[port].addresses;
    if (number < own.size()) return send(port, own[number].address);
    number -= own.size();
  }
  const size_t vips = tables.vips == nullptr ? 0 : tables.vips->size();
  const size_t floating = tables.snat.size() + vips;
  const size_t port = floating == 0 ? tables.ports.size() : number / floating;
  if (port >= tables.ports.size()) return false;
  const size_t which = number % floating;
  const IpAddress& address =
      which < tables.snat.size() ? tables.snat[which] : (*tables.vips)[which - tables.snat.size()];
  return !belongs_on(tables, tables.ports[port], address) || send(port, address);
}

}  // namespace sluice::dataplane
