#include "dataplane/esp/tunnel_tables.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace sluice::dataplane {
namespace {

auto ends_of(const Tunnel& tunnel) {
  return std::tie(tunnel.local, tunnel.remote);
}

}  // namespace

TunnelTables::TunnelTables(std::vector<Tunnel> tunnels, std::vector<InboundEntry> inbound,
                           std::span<const Route> networks)
    : tunnels_(std::move(tunnels)), networks_(RouteTable::build(networks)) {
  for (const Route& network : networks) mark(network.to);
  if (!inbound.empty()) inbound_.resize(std::bit_ceil(2 * inbound.size()));
  for (InboundEntry& entry : inbound) {
    size_t slot = slot_of(entry.sa->spi);
    while (inbound_[slot].sa != nullptr) slot = (slot + 1) & (inbound_.size() - 1);
    inbound_[slot] = std::move(entry);
  }
  for (size_t place = 0; place < tunnels_.size(); ++place) by_ends_.push_back(static_cast<uint16_t>(place));
  std::stable_sort(by_ends_.begin(), by_ends_.end(),
                   [&](uint16_t a, uint16_t b) { return ends_of(tunnels_[a]) < ends_of(tunnels_[b]); });
}

void TunnelTables::mark(const Prefix& prefix) {
  const bool is_v4 = prefix.address.is_v4();
  const uint8_t* const bytes = prefix.address.bytes().data() + (is_v4 ? 12 : 0);
  const size_t first = size_t{bytes[0]} << 8 | bytes[1];
  const size_t count = prefix.length >= 16 ? 1 : size_t{1} << (16 - prefix.length);
  for (size_t value = first; value < first + count; ++value) {
    (is_v4 ? v4_ : v6_)[value / 64] |= uint64_t{1} << value % 64;
  }
}

uint16_t TunnelTables::between(const IpAddress& local, const IpAddress& remote, bool is_udp) const {
  const auto ends = std::tie(local, remote);
  auto found =
      std::lower_bound(by_ends_.begin(), by_ends_.end(), ends,
                       [&](uint16_t place, const auto& wanted) { return ends_of(tunnels_[place]) < wanted; });
  uint16_t any = 0;
  for (; found != by_ends_.end() && ends_of(tunnels_[*found]) == ends; ++found) {
    if (any == 0) any = static_cast<uint16_t>(*found + 1);
    if (tunnels_[*found].is_udp == is_udp) return static_cast<uint16_t>(*found + 1);
  }
  return any;
}

}  // namespace sluice::dataplane
