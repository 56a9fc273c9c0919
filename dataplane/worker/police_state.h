// What a worker remembers of the service rules that it enforces, beside lb::FlowAdmission. One worker's.
#pragma once

#include <cstdint>

#include "lb/flow_entry.h"
#include "lb/source_hashes.h"

namespace sluice::dataplane {

struct PoliceState {
  /// Tables::access_generation that every flow of this worker's has been held against.
  uint64_t access_generation = 0;
  /// While flows are held against a newer one: the next entry to look at. Until all have been, packets of
  /// services with an access list have no known path.
  lb::FlowIndex cursor = 0;
  bool is_sweeping = false;

  const void* rules = nullptr;  ///< Tables::rules that this worker keeps, to tell others apart from them
  /// Since when, as lb::PacketLease counts: what flows took in advance before may have been of other limits.
  uint32_t rules_tick = 0;
  bool counts_packets = false;     ///< some service has packets counted
  lb::SourceHashes source_hashes;  ///< by these rules
  /// For so many bursts more, plain packets are held against rules first (refuse_plain()): some were refused.
  uint8_t refusing = 0;
  static constexpr uint8_t kRefusingBursts = 64;
  /// Of packets about to go a short way, one after the other: which have their sources' tokens already, as
  /// bits.
  uint8_t paid = 0;
};

}  // namespace sluice::dataplane
