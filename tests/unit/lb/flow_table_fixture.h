// A flow table with its memory, and keys for it.
#pragma once

#include <cstring>
#include <optional>
#include <vector>

#include "lb/flow_table.h"
#include "tests/unit/lb/fixtures.h"

namespace sluice::lb {

using Eviction = FlowTable::Eviction;

inline FlowKey numbered_key(uint32_t i) {
  return {IpAddress::v4(Be32::from_host(0xc0000200 + (i >> 12))),
          address("203.0.113.10"),
          port(1024 + (i & 0xfff)),
          port(80),
          IpProtocol::kTcp,
          {}};
}

/// A table with its memory, filled with rubbish first, and the keys that it evicted.
struct Table {
  explicit Table(size_t capacity, size_t bucket_count = 0, uint64_t seed = 1)
      : entries(capacity),
        addresses6(capacity),
        buckets(bucket_count != 0 ? bucket_count : FlowTable::buckets_for(capacity)) {
    std::memset(static_cast<void*>(entries.data()), 0x5a, entries.size() * sizeof(FlowEntry));
    std::memset(static_cast<void*>(buckets.data()), 0x5a, buckets.size() * sizeof(FlowTable::Bucket));
    flows.emplace(entries, addresses6, buckets, seed);
  }
  FlowEntry* find(const FlowKey& key) { return flows->find(key, flows->hash(key)); }
  FlowEntry* insert(const FlowKey& key, FlowState state, uint32_t now_ms = 0,
                    Eviction eviction = Eviction::kUnanswered) {
    return flows->insert(key, flows->hash(key), state, now_ms, eviction,
                         [this](const FlowEntry& gone) { note(gone); });
  }
  FlowEntry* insert_reply(FlowEntry* request, const FlowKey& key, uint32_t now_ms = 0,
                          Eviction eviction = Eviction::kUnanswered) {
    return flows->insert_reply(*request, key, flows->hash(key), now_ms, eviction,
                               [this](const FlowEntry& gone) { note(gone); });
  }
  void note(const FlowEntry& gone) {
    evicted.push_back(gone.key.source_port.host());
    if (gone.peer != kNoFlow) evicted_replies.push_back(flows->at(gone.peer).key.source_port.host());
  }
  void set_state(const FlowKey& key, FlowState state) { flows->set_state(*find(key), state, 0); }

  std::vector<FlowEntry> entries;
  std::vector<Addresses6> addresses6;
  std::vector<FlowTable::Bucket> buckets;
  std::optional<FlowTable> flows;
  std::vector<unsigned> evicted, evicted_replies;
};

inline unsigned number(uint32_t i) {
  return numbered_key(i).source_port.host();
}

}  // namespace sluice::lb
