#include "dataplane/neighbor/announcer.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "dataplane/neighbor/neighbor_frames.h"

namespace sluice::dataplane {
namespace {

constexpr uint32_t kPauseMs = 2'000;
constexpr uint8_t kBacklogTurn = 4;  ///< every so many frames the backlog goes first

}  // namespace

Announcer::Walk Announcer::walk_from(uint64_t from, uint64_t to) {
  const Place start{from + 1, {}, 0};
  return {to, start, start, start, 0, false};
}

/// Takes notice of newer announcements.
void Announcer::follow(const List& list) {
  const uint64_t newest = list.back().since;
  if (!has_begun_) {
    has_begun_ = true;
    backlog_.is_done = true;
    fresh_ = walk_from(0, newest);
  } else if (newest > fresh_.to) {
    const uint64_t from = fresh_.to;
    if (backlog_.is_done) {
      backlog_ = fresh_;
      fresh_ = walk_from(from, newest);
    } else {
      fresh_.to = newest;  // behind what is new already, and before the backlog
      fresh_.is_done = false;
    }
  }
}

void Announcer::tick(const Tables& tables, uint32_t now_ms, Transmit& transmit) {
  if (tables.announcements == nullptr || tables.announcements->empty()) return;
  if (!has_begun_) next_ms_ = now_ms;
  follow(*tables.announcements);
  if ((fresh_.is_done && backlog_.is_done) || static_cast<int32_t>(now_ms - next_ms_) < 0) return;
  next_ms_ = now_ms + 1;
  const bool backlog_first = ++turn_ % kBacklogTurn == 0;
  Walk& one = backlog_first ? backlog_ : fresh_;
  Walk& other = backlog_first ? fresh_ : backlog_;
  if (!step(tables, one, now_ms, transmit)) step(tables, other, now_ms, transmit);
}

/// Sends the next frame of a walk, if there is one now.
bool Announcer::step(const Tables& tables, Walk& walk, uint32_t now_ms, Transmit& transmit) {
  if (walk.is_done) return false;
  const Place end{walk.to + 1, {}, 0};
  if (announce_next(tables, walk.first, end, transmit)) return true;
  if (walk.second == walk.mark) {
    walk.is_done = walk.mark == walk.first;
    walk.mark = walk.first;
    walk.mark_ms = now_ms;
    return false;
  }
  if (now_ms - walk.mark_ms < kPauseMs) return false;
  if (announce_next(tables, walk.second, walk.mark, transmit)) return true;
  walk.second = walk.mark;
  return false;
}

/// Sends the first announcement from `place` on that comes before `end`, and moves `place` behind it. False:
/// there is none; `place` is at the end then.
bool Announcer::announce_next(const Tables& tables, Place& place, const Place& end, Transmit& transmit) {
  const List& list = *tables.announcements;
  auto at = std::partition_point(list.begin(), list.end(), [&](const Announcement& announcement) {
    return Place{announcement.since, announcement.address, kMaxPorts} < place;
  });
  for (; at != list.end(); ++at) {
    const bool is_here = at->since == place.since && at->address == place.address;
    const uint32_t rest =
        is_here ? static_cast<uint32_t>(uint64_t{at->ports} >> place.port << place.port) : at->ports;
    if (rest == 0) continue;
    const auto port = static_cast<uint32_t>(std::countr_zero(rest));
    const Place found{at->since, at->address, port};
    if (!(found < end)) break;
    place = {at->since, at->address, port + 1};
    rte_mbuf* const frame = make_announcement(pool_, tables.ports[port], at->address);
    if (frame != nullptr) transmit.send_new(static_cast<uint16_t>(port), frame);
    return true;
  }
  if (place < end) place = end;
  return false;
}

}  // namespace sluice::dataplane
