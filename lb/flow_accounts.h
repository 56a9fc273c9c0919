// How much each flow has sent, and when it began: beside the flow table, by its entries' numbers, and touched
// only while somebody asks for it. One per worker, which alone calls it. Memory is given and never grows; it
// is not touched before the first flow is counted.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "lb/flow_lane.h"
#include "lb/flow_table.h"

namespace sluice::lb {

/// Of one entry, which is one direction of a flow that is translated. All-zero bytes are valid.
struct alignas(32) FlowAccount {
  uint64_t packets = 0;
  uint64_t bytes = 0;
  uint64_t begin_ns = 0;      ///< monotonic: the first packet that was counted
  uint32_t handshake_us = 0;  ///< of a request; 0: none was seen
  uint16_t periods = 0;       ///< of a request: those of kActiveNs that have been told
  uint16_t turn = 0;          ///< in which it was counted; an account of another turn is empty
};
static_assert(sizeof(FlowAccount) == 32);

class FlowAccounts {
 public:
  /// A flow that goes on is told of so often.
  static constexpr uint64_t kActiveNs = 300'000'000'000;

  /// As many of each as the table has entries; zeroed, outliving this.
  FlowAccounts(std::span<FlowAccount> accounts, std::span<FlowCounts> told)
      : accounts_(accounts), told_(told) {}

  /// Counts from now on, into a lane that stays until close(): flows that live begin to be counted with
  /// their next packet. May be called again, to change shares.
  void open(FlowLane& lane, const FlowShares& shares);
  void close() { lane_ = nullptr; }
  bool is_open() const { return lane_ != nullptr; }

  /// Both monotonic; they count for what follows.
  void set_time(uint64_t now_ns, uint32_t now_ms) {
    now_ns_ = now_ns;
    now_ms_ = now_ms;
  }

  void prefetch(FlowIndex entry) const { __builtin_prefetch(&accounts_[entry], 1); }
  /// A frame that belongs to that entry has been received.
  void count(FlowIndex entry, uint32_t frame_bytes) {
    FlowAccount& account = accounts_[entry];
    if (account.turn != turn_) [[unlikely]]
      begin(entry);
    ++account.packets;
    account.bytes += frame_bytes;
  }
  /// An entry is a new flow's.
  void begin(FlowIndex entry) { accounts_[entry] = {.begin_ns = now_ns_, .turn = turn_}; }
  /// The backend has answered the SYN of that request.
  void answer(FlowIndex request);

  /// Tells of a flow that ends, by either of its entries. Once for each, while its entries are still joined.
  void end(const FlowTable& flows, const FlowEntry& flow, FlowEnd end);
  /// Tells of a flow that goes on, by its request, if that is due.
  void tell_if_due(const FlowTable& flows, const FlowEntry& request) {
    const FlowAccount& account = accounts_[flows.index_of(request)];
    if (account.turn != turn_ || now_ns_ - account.begin_ns < kActiveNs) [[likely]]
      return;
    tell_active(flows, request);
  }
  /// What would be told of a flow, by either of its entries, and whether there is room for it now.
  FlowRecord record_of(const FlowTable& flows, const FlowEntry& flow, FlowEnd end) const;
  bool try_to_end(const FlowTable& flows, const FlowEntry& flow, FlowEnd end) {
    const FlowRecord record = record_of(flows, flow, end);
    return record.readers == 0 || lane_->push(record);
  }

 private:
  void tell_active(const FlowTable& flows, const FlowEntry& request);

  std::span<FlowAccount> accounts_;
  std::span<FlowCounts> told_;  ///< by a request's number, while its account has periods
  FlowLane* lane_ = nullptr;
  FlowShares shares_{};
  uint64_t now_ns_ = 0;
  uint32_t now_ms_ = 0;
  uint16_t turn_ = 0;  ///< how often it was opened
};

}  // namespace sluice::lb
