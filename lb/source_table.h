// A number for each source, of as many sources as there is room for, that all workers share: a bounded table
// of constant memory without locks.
#pragma once

#include <immintrin.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>

namespace sluice::lb {

/// Sources are told apart by a keyed hash of 64 bits. A source has a cell of its own, in one of two sets of
/// seven; where both are full of cells that are in use, it shares the cell of its first set with others of
/// its hash. What a number means, and when it is of no more use, is the caller's. Any worker may call at any
/// time; nobody ever waits for another.
class SourceTable {
 public:
  enum class Result : uint8_t {
    kDone,        ///< the source's own number was changed
    kDoneShared,  ///< the one that it shares was
    kRefused,     ///< `change` did not want to, or another worker is about to make room in the same set
  };

  /// For about `sources` of them: 64 bytes for each, which are touched as sources come.
  explicit SourceTable(uint32_t sources);
  SourceTable(const SourceTable&) = delete;
  SourceTable& operator=(const SourceTable&) = delete;

  /// Changes the number of a source as `change(number)`, an optional<uint64_t>, says. `first_number(shared)`,
  /// another, is what a source begins with that has no cell yet, by what its hash's others share; nothing: it
  /// shares their cell. `is_free(number)`: a cell may be given to another source. The functions may be called
  /// several times.
  template <typename Change, typename FirstNumber, typename IsFree>
  Result update(uint64_t hash, const Change& change, const FirstNumber& first_number, const IsFree& is_free);

  /// Changes the number of a source that has a cell of its own (`shared`: the shared one). A source that has
  /// none is left alone.
  template <typename Change>
  void adjust(uint64_t hash, bool shared, const Change& change);

  /// Begins to fetch from memory what update() and peek() look at first.
  [[gnu::always_inline]] void fetch(uint64_t hash) const { __builtin_prefetch(&first(hash), 1); }

  /// The number that update() would change.
  template <typename FirstNumber, typename IsFree>
  uint64_t peek(uint64_t hash, const FirstNumber& first_number, const IsFree& is_free) const;

 private:
  static constexpr unsigned kCells = 7;
  static constexpr unsigned kMostTries = 64;

  struct alignas(16) Cell {
    uint64_t source = 0;  ///< its hash; 0: nobody
    uint64_t number = 0;
  };
  struct alignas(128) Set {
    Cell cells[kCells];
    std::atomic<uint64_t> shared;         ///< the number of all that have no cell
    std::atomic<uint32_t> is_placing;     ///< a worker looks for a cell for a source of this set
    std::atomic<uint32_t> has_displaced;  ///< sources of this set may lie in their second
  };
  static_assert(sizeof(Set) == 128);
  struct Freer {
    void operator()(void* memory) const { std::free(memory); }
  };

  Set& first(uint64_t hash) const { return sets_[hash & mask_]; }
  Set& second(uint64_t hash) const { return sets_[(hash >> 32) & mask_]; }
  /// A hash that is no free cell's.
  static uint64_t name_of(uint64_t hash) { return hash != 0 ? hash : 1; }

  static Cell read(const Cell& cell) {
    const volatile Cell& volatile_cell = cell;
    return {volatile_cell.source, volatile_cell.number};  // two reads: replace() finds out if they differ
  }
  /// Both words at once, if they are `expected`.
  static bool replace(Cell& cell, const Cell& expected, const Cell& wanted) {
    using Word = unsigned __int128;
    const auto word = [](const Cell& of) { return Word{of.number} << 64 | of.source; };
    return __sync_bool_compare_and_swap(reinterpret_cast<Word*>(&cell), word(expected), word(wanted));
  }
  Cell* find(uint64_t hash) const;
  template <typename IsFree>
  Cell* free_cell(uint64_t hash, const IsFree& is_free, Cell& content) const;
  template <typename Change>
  static Result change_shared(Set& set, const Change& change);

  std::unique_ptr<void, Freer> memory_;
  Set* sets_ = nullptr;
  uint64_t mask_ = 0;
};

inline SourceTable::Cell* SourceTable::find(uint64_t hash) const {
  const uint64_t name = name_of(hash);
  const auto find_in = [&](Set& set) -> Cell* {
    for (Cell& cell : set.cells) {
      if (read(cell).source == name) return &cell;
    }
    return nullptr;
  };
  Cell* const found = find_in(first(hash));
  if (found != nullptr || first(hash).has_displaced.load(std::memory_order_acquire) == 0) return found;
  return find_in(second(hash));
}

template <typename IsFree>
SourceTable::Cell* SourceTable::free_cell(uint64_t hash, const IsFree& is_free, Cell& content) const {
  for (Set* const set : {&first(hash), &second(hash)}) {
    for (Cell& cell : set->cells) {
      content = read(cell);
      if (content.source == 0 || is_free(content.number)) return &cell;
    }
  }
  return nullptr;
}

template <typename Change>
SourceTable::Result SourceTable::change_shared(Set& set, const Change& change) {
  uint64_t number = set.shared.load(std::memory_order_acquire);
  while (true) {
    const std::optional<uint64_t> next = change(number);
    if (!next) return Result::kRefused;
    if (set.shared.compare_exchange_weak(number, *next, std::memory_order_acq_rel)) {
      return Result::kDoneShared;
    }
  }
}

template <typename Change, typename FirstNumber, typename IsFree>
SourceTable::Result SourceTable::update(uint64_t hash, const Change& change, const FirstNumber& first_number,
                                        const IsFree& is_free) {
  Set& set = first(hash);
  const uint64_t name = name_of(hash);
  for (unsigned tries = 0; tries < kMostTries; ++tries) {
    if (Cell* const cell = find(hash); cell != nullptr) {
      const Cell content = read(*cell);
      if (content.source != name) continue;  // it was given away just now
      const std::optional<uint64_t> next = change(content.number);
      if (!next) return Result::kRefused;
      if (replace(*cell, content, {name, *next})) return Result::kDone;
      continue;
    }
    // One worker at a time gives cells to sources of a set, lest one source get two.
    if (set.is_placing.exchange(1, std::memory_order_acquire) != 0) {
      _mm_pause();
      continue;
    }
    Result result = Result::kRefused;
    bool is_over = false;
    if (find(hash) == nullptr) {
      Cell content;
      Cell* const cell = free_cell(hash, is_free, content);
      const auto number = first_number(set.shared.load(std::memory_order_acquire));
      if (cell == nullptr || !number) {
        result = change_shared(set, change);
        is_over = true;
      } else if (const std::optional<uint64_t> next = change(*number); !next) {
        is_over = true;
      } else {
        const bool is_displaced = cell < set.cells || cell >= set.cells + kCells;
        if (is_displaced) set.has_displaced.store(1, std::memory_order_release);
        is_over = replace(*cell, content, {name, *next});
        result = Result::kDone;
      }
    }
    set.is_placing.store(0, std::memory_order_release);
    if (is_over) return result;
  }
  return Result::kRefused;
}

template <typename Change>
void SourceTable::adjust(uint64_t hash, bool shared, const Change& change) {
  if (shared) {
    change_shared(first(hash), change);
    return;
  }
  while (Cell* const cell = find(hash)) {
    const Cell content = read(*cell);
    if (content.source != name_of(hash)) continue;
    const std::optional<uint64_t> next = change(content.number);
    if (!next || replace(*cell, content, {content.source, *next})) return;
  }
}

template <typename FirstNumber, typename IsFree>
uint64_t SourceTable::peek(uint64_t hash, const FirstNumber& first_number, const IsFree& is_free) const {
  if (const Cell* const cell = find(hash); cell != nullptr) return read(*cell).number;
  const uint64_t shared = first(hash).shared.load(std::memory_order_acquire);
  Cell content;
  const auto number = first_number(shared);
  return free_cell(hash, is_free, content) != nullptr && number ? *number : shared;
}

}  // namespace sluice::lb
