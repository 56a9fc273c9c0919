// Which ports of full-nat's source addresses a worker takes next: for each backend in turn, so that the one
// that it has not seen for longest comes first. One worker's, but for the counter.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "common/bytes.h"
#include "common/counter.h"
#include "lb/backend.h"
#include "lb/recent_ports.h"

namespace sluice::lb {

/// The ports of full-nat source addresses that one worker may use: replies to them are its own.
struct PortSlice {
  uint16_t first = 1024;
  uint16_t last = 65535;  ///< inclusive
  uint32_t size() const { return uint32_t{last} - first + 1; }
};

class PortUse {
 public:
  /// Turns are kept by a hash of the endpoint: backends that share one only go round sooner.
  static constexpr size_t kTurns = 16384;

  /// `translations`: how many there can be at once. `start` is where the turns begin: not at the slice's
  /// first port, since after a restart backends still have those of the last run in TIME-WAIT.
  PortUse(PortSlice slice, size_t translations, uint32_t start)
      : slice_(slice), turns_(kTurns, start % slice.size()), recent_(translations) {}

  const PortSlice& slice() const { return slice_; }
  /// The place in the slice that was taken last for a backend, to be moved on by who takes the next.
  uint32_t& turn_of(const Backend& backend) { return turns_[place_of(backend)]; }
  const RecentPorts& recent() const { return recent_; }

  /// A translation, by the hash of its reply's key, has ended: RecentPorts::note_end().
  void note_end(uint64_t hash, uint32_t ended_ms, uint32_t next_sequence = 0) {
    recent_.note_end(hash, ended_ms, next_sequence);
  }
  /// It is taken again before its time.
  void reuse(uint64_t hash) {
    recent_.forget(hash);
    reused_.add();
  }
  /// Any thread may read how many are in use.
  void count_taken() { in_use_.add(1); }
  void count_given_up() { in_use_.add(-1); }
  uint64_t in_use() const { return in_use_.read(); }
  /// How many were taken again within RecentPorts::kTimeWaitMs. Any thread.
  uint64_t reused() const { return reused_.read(); }

 private:
  static size_t place_of(const Backend& backend) {
    const auto* const address = backend.address.bytes().data();
    const uint64_t mixed = (load<uint64_t>(address) ^ load<uint64_t>(address + 8) * 0x9e3779b97f4a7c15 ^
                            backend.port.network()) *
                           0xbf58476d1ce4e5b9;
    return mixed >> 32 & (kTurns - 1);
  }

  PortSlice slice_;
  std::vector<uint32_t> turns_;
  RecentPorts recent_;
  Counter reused_;
  Gauge in_use_;
};

}  // namespace sluice::lb
