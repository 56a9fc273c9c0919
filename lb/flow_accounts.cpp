#include "lb/flow_accounts.h"

#include "common/siphash.h"

namespace sluice::lb {
namespace {

/// The same for a flow wherever and whenever it is seen, so that two gateways, or two runs, tell of the same
/// flows.
uint32_t share_hash(const FlowKey& key) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&key);
  return static_cast<uint32_t>(siphash24(SipKey{}, bytes, FlowKey::kHashedBytes));
}

uint8_t readers_of(const FlowShares& shares, const FlowKey& key) {
  constexpr uint64_t kAll = uint64_t{1} << 32;
  uint8_t readers = 0;
  for (size_t i = 0; i < kFlowReaders; ++i) {
    const uint64_t below = shares[i].below;
    if (below != 0 && (below >= kAll || shares[i].has(share_hash(key)))) readers |= uint8_t(1u << i);
  }
  return readers;
}

}  // namespace

void FlowAccounts::open(FlowLane& lane, const FlowShares& shares) {
  if (lane_ == nullptr) ++turn_;
  lane_ = &lane;
  shares_ = shares;
}

void FlowAccounts::answer(FlowIndex request) {
  FlowAccount& account = accounts_[request];
  if (account.turn != turn_) return;  // its beginning was not seen
  const uint64_t microseconds = std::min<uint64_t>((now_ns_ - account.begin_ns) / 1000, UINT32_MAX);
  account.handshake_us = std::max(static_cast<uint32_t>(microseconds), FlowRecord::kNoHandshake + 1);
}

FlowRecord FlowAccounts::record_of(const FlowTable& flows, const FlowEntry& flow, FlowEnd end) const {
  const FlowEntry& request = flow.is_reply ? flows.at(flow.peer) : flow;
  const FlowIndex index = flows.index_of(request);
  FlowRecord record;
  record.key = flows.key_of(request);
  record.service = request.service;
  record.backend = request.backend;
  record.readers = readers_of(shares_, record.key);
  record.end_ns = now_ns_ - uint64_t{flows.idle_ms(request, now_ms_)} * 1'000'000;
  record.begin_ns = UINT64_MAX;
  const bool is_over = end != FlowEnd::kActive && request.is_closed();
  const bool is_reset = (request.ended & FlowEntry::kReset) != 0;
  record.end = is_over ? (is_reset ? FlowEnd::kReset : FlowEnd::kFin) : end;
  if (request.peer != kNoFlow && accounts_[request.peer].turn == turn_) {
    const FlowAccount& answers = accounts_[request.peer];
    record.counts.packets_out = answers.packets;
    record.counts.bytes_out = answers.bytes;
    record.begin_ns = answers.begin_ns;
  }
  const FlowAccount& account = accounts_[index];
  if (account.turn == turn_) {
    record.counts.packets_in = account.packets;
    record.counts.bytes_in = account.bytes;
    record.begin_ns = std::min(record.begin_ns, account.begin_ns);
    record.handshake_us = account.handshake_us;
    if (account.periods != 0) record.told = told_[index];
  }
  if (record.begin_ns == UINT64_MAX) record.begin_ns = record.end_ns;  // nothing of it was counted
  record.end_ns = std::max(record.end_ns, record.begin_ns);            // idleness is known in milliseconds
  return record;
}

void FlowAccounts::end(const FlowTable& flows, const FlowEntry& flow, FlowEnd end) {
  const FlowRecord record = record_of(flows, flow, end);
  if (record.readers != 0 && !lane_->push(record)) lane_->count_lost(record.readers);
}

void FlowAccounts::tell_active(const FlowTable& flows, const FlowEntry& request) {
  const FlowIndex index = flows.index_of(request);
  FlowAccount& account = accounts_[index];
  const auto periods = static_cast<uint16_t>((now_ns_ - account.begin_ns) / kActiveNs);
  if (periods == account.periods) return;
  const FlowRecord record = record_of(flows, request, FlowEnd::kActive);
  if (record.readers == 0 || !lane_->push(record)) return;  // it is tried again at its next visit
  account.periods = periods;
  told_[index] = record.counts;
}

}  // namespace sluice::lb
