#include "dataplane/neighbor/mld_reporter.h"

#include <algorithm>
#include <tuple>

#include "dataplane/base/packet.h"
#include "dataplane/packet/ethernet.h"
#include "dataplane/packet/ndp.h"

namespace sluice::dataplane {
namespace {

constexpr uint32_t kRepeatMs = 1'000;       ///< Unsolicited Report Interval, RFC 3810 9.11
constexpr uint32_t kV1QuerierMs = 260'000;  ///< Older Version Querier Present Timeout, 9.12, by its defaults
constexpr uint32_t kAnswerPauseMs = 100;    ///< between answers to general queries, however many there are
constexpr unsigned kScanned = 4096;         ///< memberships that one tick looks at
constexpr unsigned kMostRecords = 72;       ///< what fits an MTU of 1500

using Memberships = std::vector<Membership>;

bool is_due(uint32_t due_ms, uint32_t now_ms) {
  return static_cast<int32_t>(now_ms - due_ms) >= 0;
}

auto place_of(const Membership& one) {
  return std::tie(one.group, one.has_left, one.since);
}

bool listens(const Tables& tables, uint16_t port, const IpAddress& group) {
  if (tables.memberships == nullptr) return false;
  const auto found = std::partition_point(tables.memberships->begin(), tables.memberships->end(),
                                          [&](const Membership& one) { return one.group < group; });
  return found != tables.memberships->end() && found->group == group && !found->has_left &&
         (found->ports >> port & 1) != 0;
}

unsigned records_that_fit(const PortView& port) {
  if (port.mtu < kMldReportBytes + kMldRecordBytes) return 0;
  return std::min((port.mtu - kMldReportBytes) / kMldRecordBytes, kMostRecords);
}

/// A report being made: MLDv2 with as many records as fit, or MLDv1's single group.
class Report {
 public:
  Report(rte_mempool* pool, const PortView& port, bool is_v1)
      : pool_(pool), port_(port), is_v1_(is_v1), room_(is_v1 ? 1 : records_that_fit(port)) {}

  bool is_full() const { return count_ == room_; }
  bool is_empty() const { return count_ == 0; }
  /// False: there is no buffer.
  bool add(MldRecordType type, const IpAddress& group) {
    if (frame_ == nullptr) frame_ = rte_pktmbuf_alloc(pool_);
    if (frame_ == nullptr) return false;
    uint8_t* const ip = rte_pktmbuf_mtod_offset(frame_, uint8_t*, ethernet_bytes(port_));
    if (is_v1_) {
      const bool is_done = type == MldRecordType::kChangeToInclude;
      write_mld_v1(port_.link_local, group, is_done, ip);
      to_ = is_done ? all_routers_address() : group;
    } else {
      write_mld_record(type, group, ip + kMldReportBytes + count_ * kMldRecordBytes);
    }
    ++count_;
    return true;
  }
  void send(uint16_t number, Transmit& transmit) {
    if (is_empty()) return;
    uint8_t* const start = rte_pktmbuf_mtod(frame_, uint8_t*);
    const unsigned link_bytes = ethernet_bytes(port_);
    unsigned ip_bytes = kMldV1Bytes;
    if (!is_v1_) {
      write_mld_report(port_.link_local, count_, start + link_bytes);
      to_ = mld_routers_address();
      ip_bytes = kMldReportBytes + count_ * kMldRecordBytes;
    }
    write_ethernet(start, port_, multicast_mac(to_), ether_type::kIpv6);
    rte_pktmbuf_append(frame_, static_cast<uint16_t>(link_bytes + ip_bytes));
    transmit.send_new(number, frame_);
  }

 private:
  rte_mempool* pool_;
  const PortView& port_;
  bool is_v1_;
  unsigned room_;
  unsigned count_ = 0;
  rte_mbuf* frame_ = nullptr;
  IpAddress to_;
};

}  // namespace

MldReporter::MldReporter(rte_mempool* pool, uint64_t seed)
    : pool_(pool), random_(seed | 1), ports_(std::make_unique<Ports>()) {}

/// From 1 to `most_ms`, or at once.
uint32_t MldReporter::random_delay(uint32_t most_ms) {
  random_ ^= random_ << 13;  // xorshift64: Marsaglia, 2003
  random_ ^= random_ >> 7;
  random_ ^= random_ << 17;
  return most_ms == 0 ? 0 : 1 + static_cast<uint32_t>((random_ >> 32) * most_ms >> 32);
}

void MldReporter::receive(const Tables& tables, rte_mbuf* packet, uint32_t now_ms) {
  const PacketMeta& meta = meta_of(packet);
  if (meta.l4_offset <= meta.l3_offset || meta.in_port >= kMaxPorts) return;  // ARP
  const auto* const ip = rte_pktmbuf_mtod_offset(packet, const uint8_t*, meta.l3_offset);
  const auto query =
      parse_mld_query({ip, meta.ip_bytes}, static_cast<size_t>(meta.l4_offset - meta.l3_offset));
  if (!query) return;
  PortState& port = (*ports_)[meta.in_port];
  if (query->version == 1) {
    port.has_v1_querier = true;
    port.v1_heard_ms = now_ms;
  }
  const uint32_t due_ms = now_ms + random_delay(query->most_delay_ms);
  if (query->group == IpAddress()) {
    ask_all(port, due_ms, now_ms);
  } else {
    ask_group(tables, meta.in_port, query->group, due_ms, now_ms);
  }
}

/// RFC 3810, 6.2, rules 1 and 2: an answer that is due sooner serves for both.
void MldReporter::ask_all(PortState& port, uint32_t due_ms, uint32_t now_ms) {
  if (now_ms - port.answered_ms < kAnswerPauseMs && !is_due(port.answered_ms + kAnswerPauseMs, due_ms)) {
    due_ms = port.answered_ms + kAnswerPauseMs;
  }
  if (!port.is_asked || is_due(due_ms, port.answer_ms)) port.answer_ms = due_ms;
  port.is_asked = true;
}

void MldReporter::ask_group(const Tables& tables, uint16_t number, const IpAddress& group, uint32_t due_ms,
                            uint32_t now_ms) {
  PortState& port = (*ports_)[number];
  if (!listens(tables, number, group)) return;
  if (port.is_asked && is_due(port.answer_ms, due_ms)) return;
  for (uint8_t i = 0; i < port.groups_asked; ++i) {
    GroupAsked& known = port.asked[i];
    if (known.group != group) continue;
    if (is_due(due_ms, known.due_ms)) known.due_ms = due_ms;
    return;
  }
  if (port.groups_asked == kMostGroupsAsked) return ask_all(port, due_ms, now_ms);
  port.asked[port.groups_asked++] = {group, due_ms};
}

void MldReporter::tick(const Tables& tables, uint32_t now_ms, Transmit& transmit) {
  if (tables.memberships == nullptr || now_ms == last_tick_ms_) return;
  last_tick_ms_ = now_ms;
  for (uint16_t number = 0; number < tables.ports.size(); ++number) {
    PortState& port = (*ports_)[number];
    if (port.has_v1_querier && now_ms - port.v1_heard_ms >= kV1QuerierMs) port.has_v1_querier = false;
    if (port.sweep.kind == Sweep::Kind::kNone) begin_sweep(tables, port, now_ms);
    if (port.sweep.kind != Sweep::Kind::kNone) {
      continue_sweep(tables, number, now_ms, transmit);
    } else {
      answer_group(tables, number, now_ms, transmit);
    }
  }
}

void MldReporter::begin_sweep(const Tables& tables, PortState& port, uint32_t now_ms) {
  if (tables.generation > port.told) {
    port.sweep = {.kind = Sweep::Kind::kChange, .from = port.told, .to = tables.generation, .last = {}};
  } else if (port.repeats && is_due(port.repeat_ms, now_ms)) {
    port.sweep = {.kind = Sweep::Kind::kRepeat, .from = port.told_twice, .to = port.repeat_to, .last = {}};
  } else if (port.is_asked && is_due(port.answer_ms, now_ms)) {
    port.is_asked = false;
    port.answered_ms = now_ms;
    port.sweep = {.kind = Sweep::Kind::kAnswer, .last = {}};
  }
}

void MldReporter::end_sweep(PortState& port, uint32_t now_ms) {
  const Sweep& sweep = port.sweep;
  if (sweep.kind == Sweep::Kind::kChange) {
    port.told = sweep.to;
    if (!sweep.has_sent && !port.repeats) port.told_twice = sweep.to;
  } else if (sweep.kind == Sweep::Kind::kRepeat) {
    port.told_twice = sweep.to;
    port.repeats = false;
  }
  if (!port.repeats && port.told > port.told_twice) {
    port.repeats = true;
    port.repeat_to = port.told;
    port.repeat_ms = now_ms + random_delay(kRepeatMs);
  }
  port.sweep = {};
}

/// Sends the next frame of a port's sweep, or comes to its end.
void MldReporter::continue_sweep(const Tables& tables, uint16_t number, uint32_t now_ms, Transmit& transmit) {
  PortState& port = (*ports_)[number];
  Sweep& sweep = port.sweep;
  const Memberships& all = *tables.memberships;
  const bool is_answer = sweep.kind == Sweep::Kind::kAnswer;
  // Tables may have changed since the last frame: the place is found again by what was there.
  auto at = !sweep.has_begun ? all.begin()
                             : std::partition_point(all.begin(), all.end(), [&](const Membership& one) {
                                 return place_of(one) <= place_of(sweep.last);
                               });
  Report report(pool_, tables.ports[number], port.has_v1_querier);
  for (unsigned scanned = 0; at != all.end() && scanned < kScanned && !report.is_full(); ++at, ++scanned) {
    const bool is_meant = is_answer ? !at->has_left : at->since > sweep.from && at->since <= sweep.to;
    if (is_meant && (at->ports >> number & 1) != 0) {
      MldRecordType type = MldRecordType::kModeIsExclude;
      if (!is_answer) type = at->has_left ? MldRecordType::kChangeToInclude : MldRecordType::kChangeToExclude;
      if (!report.add(type, at->group)) return;  // no buffer: from here again
    }
    sweep.last = *at;
    sweep.has_begun = true;
  }
  sweep.has_sent = sweep.has_sent || !report.is_empty();
  report.send(number, transmit);
  if (at == all.end() || records_that_fit(tables.ports[number]) == 0) end_sweep(port, now_ms);
}

void MldReporter::answer_group(const Tables& tables, uint16_t number, uint32_t now_ms, Transmit& transmit) {
  PortState& port = (*ports_)[number];
  for (uint8_t i = 0; i < port.groups_asked; ++i) {
    const GroupAsked asked = port.asked[i];
    if (!is_due(asked.due_ms, now_ms)) continue;
    port.asked[i] = port.asked[--port.groups_asked];
    if (!listens(tables, number, asked.group)) return;  // not any more
    Report report(pool_, tables.ports[number], port.has_v1_querier);
    if (!report.is_full() && report.add(MldRecordType::kModeIsExclude, asked.group)) {
      report.send(number, transmit);
    }
    return;
  }
}

}  // namespace sluice::dataplane
