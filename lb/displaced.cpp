#include "lb/displaced.h"

#include <algorithm>

#include "common/check.h"

namespace sluice::lb {

size_t Displaced::count(uint32_t round) const {
  if (round_ != round) return 0;
  const auto free = std::count(marks_.begin(), marks_.end(), uint16_t{0});
  return others_ + marks_.size() - static_cast<size_t>(free);
}

void Displaced::note(uint64_t hash, uint32_t round) {
  if (round_ != round) {
    *this = {};
    round_ = round;
  }
  const auto free = std::find(marks_.begin(), marks_.end(), uint16_t{0});
  if (free != marks_.end()) {
    *free = mark_of(hash);
  } else {
    ++others_;
  }
}

void Displaced::forget(uint64_t hash, uint32_t round) {
  check(may_have(hash, round), "a bucket knows whom it displaced");
  const auto found = std::find(marks_.begin(), marks_.end(), mark_of(hash));
  if (found != marks_.end()) {
    *found = 0;
  } else {
    --others_;
  }
}

Displaced Displaced::split(size_t telling_bit) {
  Displaced other = *this;
  if (telling_bit > bits_of(UINT16_MAX)) return other;
  for (size_t i = 0; i < marks_.size(); ++i) {
    const bool is_others = (bits_of(marks_[i]) & telling_bit) != 0;
    (is_others ? *this : other).marks_[i] = 0;
  }
  return other;
}

}  // namespace sluice::lb
