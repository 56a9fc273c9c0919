#include "lb/nat_ports.h"

#include <algorithm>

namespace sluice::lb {
namespace {

constexpr unsigned kFirstPort = 1024;  // RFC 6056, section 3.2
constexpr unsigned kPorts = 65536 - kFirstPort;

/// Ports tried for one flow: with nine of ten in use, all of them are for one flow of 850.
constexpr unsigned kProbes = 64;

Be16 backend_port(const FlowKey& key, const Backend& backend) {
  return backend.port.network() == 0 ? key.destination_port : backend.port;
}

/// The first address at or after `from`, going round, of that family; snat.size() where there is none.
size_t next_of_family(std::span<const IpAddress> snat, size_t from, bool is_v4) {
  for (size_t i = 0; i < snat.size(); ++i) {
    const size_t at = (from + i) % snat.size();
    if (snat[at].is_v4() == is_v4) return at;
  }
  return snat.size();
}

/// Whether a flow gives its port up to a newcomer: nobody does who is answered, and to one that has begun
/// without a SYN only its like.
bool yields(const FlowEntry& user, FlowState newcomer) {
  return newcomer == FlowState::kStray ? user.state == FlowState::kStray : user.state <= FlowState::kClosing;
}

}  // namespace

PortSlice port_slice(unsigned index, unsigned workers) {
  const unsigned first = kFirstPort + kPorts * index / workers;
  const unsigned end = kFirstPort + kPorts * (index + 1) / workers;
  return {static_cast<uint16_t>(first), static_cast<uint16_t>(end - 1)};
}

unsigned port_owner(uint16_t port, unsigned workers) {
  // The greatest index whose first port, rounded down from kPorts * index / workers, is at most this one.
  return port < kFirstPort ? 0 : ((port - kFirstPort + 1) * workers - 1) / kPorts;
}

std::optional<Translation> translate_destination(FlowTable& flows, const FlowKey& key, const Backend& backend,
                                                 FlowState newcomer) {
  const FlowKey reply{backend.address, key.source,   backend_port(key, backend),
                      key.source_port, key.protocol, {}};
  Translation translation{reply, key.source_port};
  const FlowEntry* const user = flows.find(reply, flows.hash(reply));
  const bool is_own = user != nullptr && user->peer != kNoFlow && flows.at(user->peer).key == key;
  if (user == nullptr || is_own) return translation;
  if (!yields(*user, newcomer)) return std::nullopt;
  translation.displaced = flows.index_of(*user);
  return translation;
}

std::optional<Translation> translate_both(FlowTable& flows, const FlowKey& key, const Backend& backend,
                                          std::span<const IpAddress> snat, PortSlice ports, uint32_t& cursor,
                                          const Newcomer& newcomer) {
  snat = snat.first(std::min<size_t>(snat.size(), 256));  // FlowEntry::snat is a byte
  // Not by the cursor: address and port would run in step, and never meet in every combination.
  const size_t from = snat.empty() ? 0 : (flows.hash(key) >> 32) % snat.size();
  const size_t first_address = next_of_family(snat, from, backend.address.is_v4());
  if (first_address == snat.size()) return std::nullopt;

  const uint32_t slice = uint32_t{ports.last} - ports.first + 1;
  std::optional<Translation> taken;
  FlowState state{};  // of the flow that `taken` displaces
  uint32_t longest_idle = 0;
  size_t address = first_address;
  for (unsigned probe = 0; probe < kProbes; ++probe) {
    if (address == first_address) cursor = cursor + 1 < slice ? cursor + 1 : 0;
    const auto port = Be16::from_host(static_cast<uint16_t>(ports.first + cursor));
    Translation candidate{
        {backend.address, snat[address], backend_port(key, backend), port, key.protocol, {}},
        port,
        static_cast<uint8_t>(address)};
    const FlowEntry* const user = flows.find(candidate.reply, flows.hash(candidate.reply));
    if (user == nullptr) return candidate;
    const uint32_t idle = flows.idle_ms(*user, newcomer.now_ms);
    const bool goes_first = !taken || user->state < state || (user->state == state && idle > longest_idle);
    if (yields(*user, newcomer.state) && goes_first) {
      candidate.displaced = flows.index_of(*user);
      taken = candidate;
      state = user->state;
      longest_idle = idle;
    }
    address = next_of_family(snat, address + 1, backend.address.is_v4());
  }
  return taken;
}

}  // namespace sluice::lb
