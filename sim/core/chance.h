// All that is left to chance in a simulated world: one number decides it. SplitMix64 (Steele, Lea and Flood,
// 2014), and no distribution of the library's, which may be another one elsewhere.
#pragma once

#include <cstdint>
#include <span>
#include <utility>

namespace sluice::sim {

class Chance {
 public:
  explicit Chance(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    uint64_t mixed = (state_ += 0x9e3779b97f4a7c15);
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    return mixed ^ (mixed >> 31);
  }
  /// 0 to `bound` - 1; `bound` is above 0.
  uint64_t below(uint64_t bound) { return next() % bound; }
  /// Both ends may come.
  uint64_t between(uint64_t least, uint64_t most) { return least + below(most - least + 1); }
  bool happens(unsigned per_thousand) { return below(1000) < per_thousand; }
  /// One of a container's, which is not empty.
  auto& pick(auto& choices) { return choices[below(choices.size())]; }
  template <typename T>
  void shuffle(std::span<T> values) {
    for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[below(i)]);
  }
  /// Another one, for a part of the world that shall not change with what the others draw.
  Chance branch() { return Chance(next()); }

 private:
  uint64_t state_;
};

}  // namespace sluice::sim
