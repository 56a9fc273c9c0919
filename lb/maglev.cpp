#include "lb/maglev.h"

#include <algorithm>

#include "lb/maglev_fill.h"

namespace sluice::lb {
namespace {

Walk first_step(const Endpoint& endpoint, uint32_t size, const SipKey& key) {
  uint8_t input[Endpoint::kBytes + 1];
  std::memcpy(input, endpoint.bytes().data(), Endpoint::kBytes);
  input[Endpoint::kBytes] = 0;
  const uint64_t offset = siphash24(key, input, sizeof input) % size;
  input[Endpoint::kBytes] = 1;
  const uint64_t skip = siphash24(key, input, sizeof input) % (size - 1) + 1;
  return {static_cast<uint32_t>(offset), static_cast<uint32_t>(skip), size};
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
    is_even_ = sum == uint64_t{greatest_} * sorted.size();
    // As many rounds at once as have about one turn for each backend.
    takers_.resize(std::max<uint64_t>(1, sorted.size() * greatest_ / sum));
  }

  /// Calls take(i) for backend after backend in the order of their turns, until it returns false.
  template <typename Take>
  void run(Take&& take) {
    if (is_even_) return run_all_at_once(take);
    takers_.size() == 1 ? run_one_by_one(take) : run_by_stretches(take);
  }

 private:
  template <typename Take>
  void run_all_at_once(Take&& take) {
    for (;;) {
      for (uint32_t i = 0; i < turns_.size(); ++i) {
        if (!take(i)) return;
      }
    }
  }

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
  bool is_even_ = false;  ///< every backend has a turn in every round
  std::vector<Turn> turns_;
  std::vector<std::vector<uint32_t>> takers_;  ///< of each round of a stretch
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

  MaglevFill fill(table_size);
  Rounds(sorted).run([&](uint32_t i) { return fill.take(walks[i], sorted[i].id); });
  return fill.finish();
}

}  // namespace sluice::lb
