#include "lb/maglev.h"

#include <algorithm>
#include <bit>

namespace sluice::lb {
namespace {

/// A backend's walk through its own permutation of the slots: offset, offset + skip, offset + 2 skip, ...
struct Walk {
  uint32_t slot;  ///< where it stands: nothing before it is free
  uint32_t skip;  ///< 1..size-1, so that it visits every slot of a table of prime size
};

Walk first_step(const Endpoint& endpoint, uint32_t size, const SipKey& key) {
  uint8_t input[Endpoint::kBytes + 1];
  std::memcpy(input, endpoint.bytes().data(), Endpoint::kBytes);
  input[Endpoint::kBytes] = 0;
  const uint64_t offset = siphash24(key, input, sizeof input) % size;
  input[Endpoint::kBytes] = 1;
  const uint64_t skip = siphash24(key, input, sizeof input) % (size - 1) + 1;
  return {static_cast<uint32_t>(offset), static_cast<uint32_t>(skip)};
}

/// The rounds of the weighted fill. A backend whose credit grows by `weight` in every round and is spent
/// when it reaches `greatest` takes its k-th slot in round ceil(k * greatest / weight), which a running
/// remainder finds without looking at the rounds between, however uneven the weights.
class Rounds {
 public:
  explicit Rounds(std::span<const WeightedEndpoint> sorted) {
    uint64_t sum = 0;
    for (const auto& backend : sorted) {
      greatest_ = std::max(greatest_, backend.weight);
      sum += backend.weight;
    }
    for (const auto& backend : sorted) {
      turns_.push_back({backend.weight, greatest_ / backend.weight, greatest_ % backend.weight});
      turns_.back().advance();
    }
    // As many rounds at once as have about one turn for each backend.
    takers_.resize(std::max<uint64_t>(1, sorted.size() * greatest_ / sum));
  }

  /// Calls take(i) for backend after backend in the order of their turns, until it returns false.
  template <typename Take>
  void run(Take&& take) {
    takers_.size() == 1 ? run_one_by_one(take) : run_by_stretches(take);
  }

 private:
  template <typename Take>
  void run_one_by_one(Take&& take) {
    for (uint32_t round = 1;; ++round) {
      for (uint32_t i = 0; i < turns_.size(); ++i) {
        if (turns_[i].round != round) continue;
        turns_[i].advance();
        if (!take(i)) return;
      }
    }
  }

  template <typename Take>
  void run_by_stretches(Take&& take) {
    const auto stretch = static_cast<uint32_t>(takers_.size());
    for (uint32_t first = 1;; first += stretch) {
      const uint32_t end = first + stretch;
      for (uint32_t i = 0; i < turns_.size(); ++i) {
        for (; turns_[i].round < end; turns_[i].advance()) takers_[turns_[i].round - first].push_back(i);
      }
      for (auto& round : takers_) {
        for (const uint32_t i : round) {
          if (!take(i)) return;
        }
        round.clear();
      }
    }
  }

  struct Turn {
    uint32_t weight;
    uint32_t quotient;    ///< greatest / weight
    uint32_t remainder;   ///< greatest % weight
    uint32_t round = 0;   ///< of the next turn, from 1
    uint32_t credit = 0;  ///< what is left of it after that turn; below weight

    void advance() {
      const bool is_short = credit < remainder;
      round += quotient + is_short;
      credit += (is_short ? weight : 0) - remainder;
    }
  };

  uint32_t greatest_ = 0;
  std::vector<Turn> turns_;
  std::vector<std::vector<uint32_t>> takers_;  ///< of each round of a stretch
};

/// Arithmetic modulo a prime below 2^31, by a reciprocal: it is rounded up by less than 1 of 2^64, and
/// a product of two residues is below 2^62, so a quotient is at most one too great.
class Modulus {
 public:
  explicit Modulus(uint32_t modulus) : modulus_(modulus), reciprocal_(UINT64_MAX / modulus + 1) {}
  uint32_t multiply(uint32_t a, uint32_t b) const {
    const uint64_t product = uint64_t{a} * b;
    const auto quotient = static_cast<uint64_t>(static_cast<unsigned __int128>(product) * reciprocal_ >> 64);
    const uint64_t remainder = product - quotient * modulus_;
    return static_cast<uint32_t>(std::min(remainder, remainder + modulus_));
  }
  uint32_t subtract(uint32_t a, uint32_t b) const { return std::min(a - b, a - b + modulus_); }
  /// By Fermat's little theorem: a^(p-2) for a prime p.
  uint32_t inverse(uint32_t a) const {
    uint32_t result = 1;
    for (uint32_t exponent = modulus_ - 2; exponent != 0; exponent /= 2, a = multiply(a, a)) {
      if ((exponent & 1) != 0) result = multiply(result, a);
    }
    return result;
  }

 private:
  uint32_t modulus_;
  uint64_t reciprocal_;
};

/// The table being filled. While many slots are free a backend walks to its next one; a walk takes
/// size / free steps on average, so for the last few slots it is cheaper to ask of each of those
/// when the backend would come by.
class Fill {
 public:
  explicit Fill(uint32_t size)
      : size_(size), modulus_(size), left_(size), taken_(size), slots_(size, kNoBackend) {
    while (few_ * few_ < size) ++few_;
  }

  /// Gives `id` the next free slot of its walk. False once the table is full.
  bool take(Walk& walk, BackendId id) {
    if (left_ > few_) {
      walk.slot = next_free(walk);
    } else {
      if (free_.empty()) list_free();
      walk.slot = take_nearest(walk);
    }
    taken_[walk.slot] = 1;
    slots_[walk.slot] = id;
    return --left_ != 0;
  }

  std::vector<BackendId> finish() { return std::move(slots_); }

 private:
  /// slot + steps modulo the size. Of the two sums the second has wrapped to a great number just where
  /// it is not wanted.
  uint32_t ahead(uint32_t slot, uint32_t steps) const { return std::min(slot + steps, slot + steps - size_); }

  /// Looks at four slots at a time: their loads overlap, and whether one of four is free is guessed right
  /// by the processor far more often than whether the next one is.
  uint32_t next_free(const Walk& walk) const {
    const uint32_t skip2 = ahead(walk.skip, walk.skip);
    for (uint32_t slot = walk.slot;;) {
      const uint32_t at[4] = {slot, ahead(slot, walk.skip), ahead(slot, skip2),
                              ahead(ahead(slot, walk.skip), skip2)};
      const unsigned taken = taken_[at[0]] | taken_[at[1]] << 1 | taken_[at[2]] << 2 | taken_[at[3]] << 3;
      if (taken != 0xf) return at[std::countr_one(taken)];
      slot = ahead(at[2], skip2);
    }
  }

  void list_free() {
    for (uint32_t slot = 0; slot < size_; ++slot) {
      if (taken_[slot] == 0) free_.push_back(slot);
    }
  }

  uint32_t take_nearest(const Walk& walk) {
    const uint32_t inverse = modulus_.inverse(walk.skip);
    size_t nearest = 0;
    uint32_t least_steps = UINT32_MAX;
    for (size_t i = 0; i < free_.size(); ++i) {
      const uint32_t steps = modulus_.multiply(modulus_.subtract(free_[i], walk.slot), inverse);
      nearest = steps < least_steps ? i : nearest;
      least_steps = std::min(least_steps, steps);
    }
    const uint32_t slot = free_[nearest];
    free_[nearest] = free_.back();
    free_.pop_back();
    return slot;
  }

  const uint32_t size_;
  const Modulus modulus_;
  uint32_t left_;
  uint32_t few_ = 1;            ///< about the square root of the size
  std::vector<uint8_t> taken_;  ///< a flag for each slot: compact, so that walks stay in near caches
  std::vector<uint32_t> free_;  ///< the last few
  std::vector<BackendId> slots_;
};

}  // namespace

uint32_t maglev_table_size(size_t backends_listed) {
  static constexpr uint32_t kSizes[] = {65537, 131101, 262147, 524309, 1048583};
  for (const uint32_t size : kSizes) {
    if (size >= 100 * backends_listed) return size;
  }
  return kSizes[std::size(kSizes) - 1];
}

std::vector<BackendId> build_maglev(std::span<const WeightedEndpoint> backends, uint32_t table_size,
                                    const SipKey& key) {
  if (backends.empty()) return {};
  std::vector<WeightedEndpoint> sorted(backends.begin(), backends.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.endpoint < b.endpoint; });
  std::vector<Walk> walks;
  walks.reserve(sorted.size());
  for (const auto& backend : sorted) walks.push_back(first_step(backend.endpoint, table_size, key));

  Fill fill(table_size);
  Rounds(sorted).run([&](uint32_t i) { return fill.take(walks[i], sorted[i].id); });
  return fill.finish();
}

}  // namespace sluice::lb
