#include "lb/nat_ports.h"

#include <algorithm>

namespace sluice::lb {
namespace {

constexpr unsigned kFirstPort = 1024;  // RFC 6056, section 3.2
constexpr unsigned kPorts = 65536 - kFirstPort;

/// Ports tried for one flow: with nine of ten in use, all of them are for one flow of 850.
constexpr unsigned kProbes = 64;

/// The first address at or after `from`, going round, of that family; snat.size() where there is none.
size_t next_of_family(std::span<const IpAddress> snat, size_t from, bool is_v4) {
  for (size_t i = 0; i < snat.size(); ++i) {
    const size_t at = (from + i) % snat.size();
    if (snat[at].is_v4() == is_v4) return at;
  }
  return snat.size();
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

namespace {

/// The translations that one could do with, each better than those before it.
class Candidates {
 public:
  /// A free one that has ended lately.
  void add_recent(const Translation& translation, uint32_t turn, const RecentPorts::Ended& ended) {
    ++recent_count_;
    if (recent_ && ended.ms_ago <= longest_ago_) return;
    recent_ = reused(translation, ended.next_sequence);
    recent_turn_ = turn;
    longest_ago_ = ended.ms_ago;
  }
  /// One in use by a flow that gives way. Not inlined: GCC 12 would take `ended` for uninitialized where it
  /// is nothing.
  [[gnu::noinline]] void add_taken(const Translation& translation, uint32_t turn, const FlowEntry& user,
                                   uint32_t idle_ms, const std::optional<RecentPorts::Ended>& ended) {
    const bool is_better =
        !taken_ || user.state < state_ || (user.state == state_ && idle_ms > longest_idle_);
    if (!is_better) return;
    const bool is_closing = user.state == FlowState::kClosing && user.key.protocol() == IpProtocol::kTcp;
    taken_ = is_closing ? reused(translation, ended ? ended->next_sequence : 0) : translation;
    taken_turn_ = turn;
    state_ = user.state;
    longest_idle_ = idle_ms;
  }
  bool has_enough_recent() const { return recent_count_ == kMostRecent; }
  std::optional<Translation> best(uint32_t& turn) const {
    if (recent_ || taken_) turn = recent_ ? recent_turn_ : taken_turn_;
    return recent_ ? recent_ : taken_;
  }

 private:
  static Translation reused(Translation translation, uint32_t next_sequence) {
    translation.is_reused = true;
    translation.former_sequence = next_sequence;
    return translation;
  }

  /// The one that ended first of so many in a row is next to always the first of them.
  static constexpr unsigned kMostRecent = 4;

  std::optional<Translation> recent_, taken_;
  uint32_t recent_turn_ = 0, taken_turn_ = 0;
  uint32_t longest_ago_ = 0;
  unsigned recent_count_ = 0;
  FlowState state_{};  ///< of the flow that `taken_` displaces
  uint32_t longest_idle_ = 0;
};

}  // namespace

std::optional<Translation> translate_both(FlowTable& flows, const FlowKey& key, const Backend& backend,
                                          std::span<const IpAddress> snat, const PortUse& ports,
                                          uint32_t& turn, const Newcomer& newcomer) {
  snat = snat.first(std::min<size_t>(snat.size(), 256));  // FlowEntry::snat is a byte
  // Not by the turn: address and port would run in step, and never meet in every combination.
  const size_t from = snat.empty() ? 0 : (flows.hash(key) >> 32) % snat.size();
  const size_t first_address = next_of_family(snat, from, backend.address.is_v4());
  if (first_address == snat.size()) return std::nullopt;

  const PortSlice& slice = ports.slice();
  Candidates candidates;
  size_t address = first_address;
  for (unsigned probe = 0; probe < kProbes && !candidates.has_enough_recent(); ++probe) {
    if (address == first_address) turn = turn + 1 < slice.size() ? turn + 1 : 0;
    const auto port = Be16::from_host(static_cast<uint16_t>(slice.first + turn));
    Translation candidate{
        .reply = reply_key(key, backend), .source_port = port, .snat = static_cast<uint8_t>(address)};
    candidate.reply.destination = snat[address];
    candidate.reply.destination_port = port;
    candidate.hash = flows.hash(candidate.reply);
    const FlowEntry* const user = flows.find(candidate.reply, candidate.hash);
    const bool may_wait = key.protocol == IpProtocol::kTcp;  // in TIME-WAIT
    const auto ended = may_wait ? ports.recent().find(candidate.hash, newcomer.now_ms) : std::nullopt;
    if (user == nullptr && !ended) return candidate;
    if (user == nullptr) {
      candidates.add_recent(candidate, turn, *ended);
    } else if (yields(*user, newcomer.state)) {
      candidate.displaced = flows.index_of(*user);
      candidates.add_taken(candidate, turn, *user, flows.idle_ms(*user, newcomer.now_ms), ended);
    }
    address = next_of_family(snat, address + 1, backend.address.is_v4());
  }
  return candidates.best(turn);
}

}  // namespace sluice::lb
