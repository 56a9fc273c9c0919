// The dedupe window: which transactions came lately, exactly, and where they lie in the log. Owned by the
// sealing hash worker, which alone calls it; memory is given by the caller and never grows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "common/bytes.h"
#include "crypto/sha256_message.h"
#include "ledger/position_table.h"
#include "ledger/transaction.h"

namespace sluice::ledger {

/// A per-run secret that keeps senders from aiming ids at one bucket.
struct WindowSeed {
  uint64_t low = 0;
  uint64_t high = 0;
};

/// Whole ids in a ring in leaf order, so that a place in the ring is a leaf index, and a PositionTable that
/// finds them. Below 40 bytes a transaction. Ids at or above committed() are in flight.
///
/// A new id costs two lines that are nowhere near: its bucket, and the bucket of the id that it drives out.
/// All else lies in the order of the ring.
class RecentIds {
 public:
  static constexpr uint64_t kMostWindow = uint64_t{1} << 26;

  /// A txid under its profile. Ids of different profiles never meet, so that no opaque payload can be
  /// made that stands for a Bitcoin transaction.
  using Key = crypto::Digest;
  static Key key_of(const crypto::Digest& txid, Profile profile) {
    // One store: of what is stored in pieces, a load of several has to wait until all that was stored before
    // has reached the cache.
    const __m256i mark =
        _mm256_set_epi64x(static_cast<int64_t>(uint64_t{static_cast<uint8_t>(profile)} << 56), 0, 0, 0);
    Key key;
    store(key.data(), _mm256_xor_si256(load<__m256i>(txid.data()), mark));
    return key;
  }

  struct Capacity {
    uint64_t window;          ///< committed transactions remembered, 1 to kMostWindow
    uint64_t most_in_flight;  ///< assigned an index, not committed
  };
  static size_t bytes_needed(Capacity capacity);

  /// Takes over `memory`: bytes_needed(), aligned to 64, zeroed or stale. The window begins empty, before
  /// leaf 0 of block 0.
  RecentIds(Capacity capacity, std::span<std::byte> memory, WindowSeed seed);

  /// Forgets everything and goes on at leaf `next_index`, the first of block `next_block`.
  void restart(uint64_t next_index, uint64_t next_block);

  /// Where a key's search begins: hashed once for all the calls below.
  using Home = PositionTable::Home;
  Home home_of(const Key& key) const {
    // NH (Black et al., UMAC, 1999) of the id's first 16 bytes: universal over the secret seed.
    const uint64_t low = load<uint64_t>(key.data()) + seed_.low;
    const uint64_t high = load<uint64_t>(key.data() + 8) + seed_.high;
    const unsigned __int128 product = static_cast<unsigned __int128>(low) * high;
    return table_.home_of(static_cast<uint64_t>(product >> 64) ^ static_cast<uint64_t>(product));
  }
  /// Fetches the bucket. Call it some keys before find(). Hot path.
  void prefetch(const Home& home) const { table_.prefetch(home); }
  /// The leaf index of a key that is in flight or in the window. Hot path.
  std::optional<uint64_t> find(const Key& key, const Home& home) const {
    const auto position = table_.find(home, [&](uint32_t at) { return ids_[at] == key; });
    return position ? std::optional(index_at(*position)) : std::nullopt;
  }
  std::optional<uint64_t> find(const Key& key) const { return find(key, home_of(key)); }

  /// Whether append() has room: fewer than most_in_flight are in flight.
  bool has_room() const { return next_ - committed_ < capacity_.most_in_flight; }
  /// Gives the next leaf index to a key that find() does not know. Hot path.
  void append(const Key& key, const Home& home, bool starts_block);
  void append(const Key& key, bool starts_block) { append(key, home_of(key), starts_block); }
  /// Everything below `tree_size` is durable; what is more than the window behind it is forgotten.
  void commit(uint64_t tree_size);
  /// Takes back the indexes from `next_index` on, none of them committed: they were refused or lost.
  void take_back(uint64_t next_index);

  uint64_t next_index() const { return next_; }
  /// The block that the next append(key, true) begins.
  uint64_t next_block() const { return next_block_; }
  uint64_t committed() const { return committed_; }
  uint64_t window() const { return capacity_.window; }
  uint64_t oldest() const { return oldest_; }

  struct Place {
    uint64_t block;
    uint64_t tree_size;  ///< after that block
  };
  /// Which block a leaf at or above oldest() and below committed() is in.
  Place place_of(uint64_t index) const;
  /// The txid of a leaf at or above oldest() and below next_index().
  crypto::Digest txid_of(uint64_t index, Profile profile) const {
    return key_of(ids_[position_of(index)], profile);
  }

 private:
  // The block starts of 64 ring positions, and the number of the block that the position before is in.
  struct Starts {
    uint64_t bits;
    uint64_t block_before;
  };
  uint64_t position_of(uint64_t index) const { return index % ring_size_; }
  uint64_t index_at(uint64_t position) const;
  void note_start(uint64_t position, bool starts_block);

  Capacity capacity_;
  uint64_t ring_size_;
  WindowSeed seed_;
  PositionTable table_;
  std::span<Starts> starts_;
  std::span<Key> ids_;
  uint64_t oldest_ = 0;
  uint64_t committed_ = 0;
  uint64_t next_ = 0;
  uint64_t next_position_ = 0;  // position_of(next_), without a division for each
  uint64_t next_block_ = 0;     // the block that the next start begins
};

}  // namespace sluice::ledger
