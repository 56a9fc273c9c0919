#include "lb/recent_ports.h"

#include <algorithm>
#include <bit>

namespace sluice::lb {

RecentPorts::RecentPorts(size_t translations)
    : places_(std::bit_ceil(std::max<size_t>(translations / Place::kWays, 1))) {}

/// Its own, else a free one, else the one that ended first.
size_t RecentPorts::way_for(const Place& place, uint32_t tag, uint32_t now_ms) {
  const auto find = [&](uint32_t wanted) {
    return static_cast<size_t>(std::find(place.tag.begin(), place.tag.end(), wanted) - place.tag.begin());
  };
  if (const size_t own = find(tag); own != Place::kWays) return own;
  if (const size_t free = find(0); free != Place::kWays) return free;
  size_t first = 0;
  for (size_t way = 1; way < Place::kWays; ++way) {
    if (now_ms - place.ended_ms[way] > now_ms - place.ended_ms[first]) first = way;
  }
  return first;
}

void RecentPorts::note_end(uint64_t hash, uint32_t ended_ms, uint32_t next_sequence) {
  Place& place = places_[place_of(hash)];
  const uint32_t tag = tag_of(hash);
  const size_t way = way_for(place, tag, ended_ms);
  if (place.tag[way] != tag || next_sequence != 0) place.next_sequence[way] = next_sequence;
  place.tag[way] = tag;
  place.ended_ms[way] = ended_ms;
}

std::optional<RecentPorts::Ended> RecentPorts::find(uint64_t hash, uint32_t now_ms) const {
  const Place& place = places_[place_of(hash)];
  for (size_t way = 0; way < Place::kWays; ++way) {
    const uint32_t ms_ago = now_ms - place.ended_ms[way];
    if (place.tag[way] == tag_of(hash) && ms_ago < kTimeWaitMs)
      return Ended{ms_ago, place.next_sequence[way]};
  }
  return std::nullopt;
}

void RecentPorts::forget(uint64_t hash) {
  Place& place = places_[place_of(hash)];
  for (uint32_t& tag : place.tag) {
    if (tag == tag_of(hash)) tag = 0;
  }
}

}  // namespace sluice::lb
