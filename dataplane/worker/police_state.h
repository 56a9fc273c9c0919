// What a worker remembers of the service rules that it enforces, beside lb::FlowAdmission. One worker's.
#pragma once

#include <cstdint>

#include "lb/flow_entry.h"
#include "lb/source_hashes.h"

namespace sluice::dataplane {

struct PoliceState {
  /// Tables::access_generation of the access lists that this worker's flows are held against.
  uint64_t access_generation = 0;
  /// While is_sweeping: the next entry of the flow table to hold against these lists. Until all entries have
  /// been, packets of services with an access list have no known path.
  lb::FlowIndex cursor = 0;
  bool is_sweeping = false;

  const void* rules = nullptr;  ///< the Tables::rules that the members below are of; only compared
  /// lb::PacketLease::tick() when this worker adopted `rules`. Tokens that flows took in advance before are
  /// void, since other limits may have held.
  uint32_t rules_tick = 0;
  bool counts_packets = false;     ///< some service limits packets
  lb::SourceHashes source_hashes;  ///< of sources, by `rules`
  /// For how many more bursts refuse_plain() is called: kRefusingBursts after a packet was refused.
  uint8_t refusing = 0;
  static constexpr uint8_t kRefusingBursts = 64;
  /// Where pass_limits() of eight flows said false: a bit for each of them that has its source's token
  /// already, for the calls of pass_limits() for each that follow. The lowest bit is the next flow's.
  uint8_t granted = 0;
};

}  // namespace sluice::dataplane
