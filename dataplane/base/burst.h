#pragma once

#include <cstdint>

namespace sluice::dataplane {

/// Packets are taken, and handed from stage to stage, in bursts of at most this many.
inline constexpr uint16_t kBurst = 64;

}  // namespace sluice::dataplane
