#include "lb/flow_table.h"

#include <algorithm>

#include "common/check.h"

namespace sluice::lb {

size_t FlowTable::buckets_for(size_t entries) {
  return std::min((entries + kFill - 1) / kFill, kMostBuckets);
}

FlowTable::FlowTable(std::span<FlowEntry> entries, std::span<Addresses6> addresses6,
                     std::span<Bucket> buckets, uint64_t seed)
    : entries_(entries),
      addresses6_(addresses6),
      buckets_(buckets),
      in_use_(std::min(buckets.size(), Displaced::kLeastBuckets)),
      mask_(std::bit_ceil(in_use_) - 1),
      hash_(seed),
      yielding_{Yielding(entries.size()), Yielding(entries.size()), Yielding(entries.size()),
                Yielding(entries.size()), Yielding(entries.size())} {
  std::fill(buckets_.begin(), buckets_.end(), Bucket{});
  for (size_t i = entries_.size(); i-- > 0;) {
    entries_[i] = FlowEntry{};
    entries_[i].peer = free_;
    free_ = static_cast<FlowIndex>(i);
  }
}

/// Takes another bucket into use.
void FlowTable::grow() {
  if (in_use_ > mask_) mask_ = 2 * mask_ + 1;
  Bucket &from = buckets_[in_use_ & mask_ >> 1], &to = buckets_[in_use_];
  ++in_use_;
  split(from, to);
}

/// Moves those entries of a bucket whose place is now the other, which is empty.
void FlowTable::split(Bucket& from, Bucket& to) {
  const Bucket all = from;
  size_t kept = 0, moved = 0;
  const auto add = [](Bucket& bucket, size_t& ways, const Bucket& of, size_t way) {
    bucket.tag[ways] = of.tag[way];
    bucket.index[ways++] = of.index[way];
  };
  from.tag = {};
  const size_t displaced_by_both = displaced(from);
  to.displaced = from.displaced.split((mask_ >> 1) + 1);
  may_overcount_ |= displaced(from) + displaced(to) != displaced_by_both;
  for (size_t way = 0; way < Bucket::kWays; ++way) {
    if (all.tag[way] == 0) continue;
    const uint64_t hash = hash_of(entries_[all.index[way]]);
    const Bucket &first = buckets_[first_bucket(hash)], &second = buckets_[second_bucket(hash)];
    const bool is_at_home = &first == &from || &first == &to;
    &(is_at_home ? first : second) == &from ? add(from, kept, all, way) : add(to, moved, all, way);
  }
}

/// bucket_with_room() where the first bucket is full.
FlowTable::Bucket* FlowTable::other_bucket_with_room(uint64_t hash) {
  Bucket& first = buckets_[first_bucket(hash)];
  Bucket& second = buckets_[second_bucket(hash)];
  if (!second.is_full()) return &second;
  if (move_one_from(first)) return &first;
  return move_one_from(second) ? &second : nullptr;
}

/// Makes room in a full bucket for somebody who has no other place, if any of its entries has one.
bool FlowTable::move_one_from(Bucket& bucket) {
  for (size_t way = 0; way < Bucket::kWays; ++way) {
    const uint64_t hash = hash_of(entries_[bucket.index[way]]);
    Bucket& first = buckets_[first_bucket(hash)];
    Bucket& other = &bucket == &first ? buckets_[second_bucket(hash)] : first;
    const unsigned free_ways = other.ways(0);
    if (free_ways == 0) continue;
    const auto to = static_cast<size_t>(std::countr_zero(free_ways));
    other.tag[to] = bucket.tag[way];
    other.index[to] = bucket.index[way];
    bucket.tag[way] = 0;
    &other == &first ? first.displaced.forget(hash, round_) : first.displaced.note(hash, round_);
    return true;
  }
  return false;
}

/// Of one entry of a flow.
[[gnu::always_inline]] inline void FlowTable::set_progress(FlowEntry& entry, FlowState state, uint8_t ended) {
  entry.state = state;
  entry.ended = ended;
  entry.is_settled = is_settled(entry);
}

[[gnu::always_inline]] inline FlowEntry& FlowTable::take(Bucket& bucket, const FlowKey& key, uint64_t hash,
                                                         uint32_t now_ms) {
  const FlowIndex index = free_;
  FlowEntry& entry = entries_[index];
  free_ = entry.peer;
  entry = FlowEntry{};
  PackedKey::put(entry.key, key);
  if (!key.source.is_v4()) addresses6_[index] = {key.source, key.destination, {}, {}};
  entry.last_seen_ms = now_ms;
  entry.begun = coarse(now_ms);

  const auto way = static_cast<size_t>(std::countr_zero(bucket.ways(0)));
  bucket.tag[way] = tag_of(hash);
  bucket.index[way] = index;
  Bucket& first = buckets_[first_bucket(hash)];
  if (&bucket != &first) first.displaced.note(hash, round_);
  ++used_;
  return entry;
}

FlowEntry& FlowTable::occupy(Bucket& bucket, const FlowKey& key, uint64_t hash, FlowState state,
                             uint32_t now_ms) {
  FlowEntry& entry = take(bucket, key, hash, now_ms);
  if (Yielding* const flows = yielding(state)) flows->add(index_of(entry));
  set_progress(entry, state, 0);
  return entry;
}

/// What translation does to the packets of both entries of a flow: either's get the ends that the other's
/// have, turned round. What the one changes in checksums, the other changes back.
[[gnu::always_inline]] inline void FlowTable::set_rewrites(FlowEntry& request, FlowEntry& reply) {
  const PackedKey of_requests = reply.key.reversed(), of_replies = request.key.reversed();
  ChecksumDelta addresses, ports;
  if (request.key.is_v4()) {
    addresses.replace(request.key.source, of_requests.source);
    addresses.replace(request.key.destination, of_requests.destination);
  } else {
    Addresses6 &from = addresses6_[index_of(request)], &to = addresses6_[index_of(reply)];
    from.new_source = to.destination;
    from.new_destination = to.source;
    to.new_source = from.destination;
    to.new_destination = from.source;
    addresses.replace_16_bytes(&from.source, &from.new_source);
    addresses.replace_16_bytes(&from.destination, &from.new_destination);
  }
  ports.replace(request.key.source_port, of_requests.source_port);
  ports.replace(request.key.destination_port, of_requests.destination_port);
  request.rewrite = Rewrite::by(of_requests, addresses, ports);
  reply.rewrite = Rewrite::by(of_replies, addresses.inverse(), ports.inverse());
}

FlowEntry& FlowTable::occupy_reply(Bucket& bucket, FlowEntry& request, const FlowKey& key, uint64_t hash,
                                   uint32_t now_ms) {
  FlowEntry& reply = take(bucket, key, hash, now_ms);
  reply.service = request.service;
  reply.backend = request.backend;
  reply.is_reply = true;
  reply.peer = index_of(request);
  request.peer = index_of(reply);
  set_rewrites(request, reply);
  set_progress(reply, request.state, request.ended);
  set_progress(request, request.state, request.ended);
  return reply;
}

[[gnu::always_inline]] inline void FlowTable::remove_one(FlowEntry& entry, uint64_t hash) {
  const FlowIndex index = index_of(entry);
  const auto clear = [&](Bucket& bucket) {
    for (unsigned ways = bucket.ways(tag_of(hash)); ways != 0; ways &= ways - 1) {
      const auto way = static_cast<size_t>(std::countr_zero(ways));
      if (bucket.index[way] != index) continue;
      bucket.tag[way] = 0;
      return true;
    }
    return false;
  };
  Bucket& first = buckets_[first_bucket(hash)];
  if (!clear(first)) {
    check(clear(buckets_[second_bucket(hash)]), "a flow's entry is in one of its two buckets");
    first.displaced.forget(hash, round_);
  }
  entry.state = FlowState::kFree;
  entry.is_settled = false;
  entry.peer = free_;
  free_ = index;
  --used_;
  if (used_ == 0 && may_overcount_) {
    ++round_;  // all counts at once, however many buckets there are
    may_overcount_ = false;
  }
}

void FlowTable::set_state(FlowEntry& entry, FlowState state, uint8_t ended) {
  FlowEntry& request = entry.is_reply ? entries_[entry.peer] : entry;
  if (request.state != state) {
    if (Yielding* const flows = yielding(request.state)) flows->remove(index_of(request));
    if (Yielding* const flows = yielding(state)) flows->add(index_of(request));
  }
  set_progress(request, state, ended);
  if (request.peer != kNoFlow) set_progress(entries_[request.peer], state, ended);
}

void FlowTable::set_watch(FlowEntry& entry, FlowWatch watch) {
  const auto change = [&](FlowEntry& one) {
    one.watch = watch;
    one.is_settled = is_settled(one);
  };
  change(entry);
  if (entry.peer != kNoFlow) change(entries_[entry.peer]);
}

void FlowTable::set_timed(FlowEntry& entry, bool is_timed) {
  entry.is_timed = is_timed;
  entry.is_settled = is_settled(entry);
}

void FlowTable::erase(FlowEntry& entry) {
  FlowEntry& request = entry.is_reply ? entries_[entry.peer] : entry;
  const FlowIndex reply = request.peer;
  if (Yielding* const flows = yielding(request.state)) flows->remove(index_of(request));
  FlowHashes& hashes = expected(index_of(request));
  if (hashes.request != index_of(request)) hash_both(request, hashes);
  hashes.request = kNoFlow;
  // The request's entry is the next to be taken: the hand of its state has just left it.
  if (reply != kNoFlow) remove_one(entries_[reply], hashes.reply);
  remove_one(request, hashes.own);
}

}  // namespace sluice::lb
