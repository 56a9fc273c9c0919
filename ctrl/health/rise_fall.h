// When do the results of checks make a backend healthy or down? Pure.
#pragma once

#include <cstdint>

namespace sluice::ctrl {

/// The hysteresis of one backend. It starts healthy; a first check that fails takes it down at once, since
/// nothing ever spoke for it. After that `fall` failures in a row take it down, `rise` passes bring it back.
class RiseFall {
 public:
  enum class Change : uint8_t { kNone, kUp, kDown };

  /// `rise` and `fall` are at least 1.
  Change observe(bool passed, unsigned rise, unsigned fall) {
    const bool first = !checked_;
    checked_ = true;
    if (passed == healthy_) {
      against_ = 0;
      return Change::kNone;
    }
    ++against_;
    const bool at_once = first && !passed;
    if (!at_once && against_ < (passed ? rise : fall)) return Change::kNone;
    healthy_ = passed;
    against_ = 0;
    return passed ? Change::kUp : Change::kDown;
  }
  bool healthy() const { return healthy_; }
  /// Results in a row that speak against the present state.
  unsigned against() const { return against_; }

 private:
  bool checked_ = false;
  bool healthy_ = true;
  unsigned against_ = 0;
};

}  // namespace sluice::ctrl
