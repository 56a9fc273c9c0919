// What became of something that was sent to a client unasked.
#pragma once

#include <cstdint>

namespace sluice::ctrl {

enum class Notified : uint8_t {
  kTaken,  ///< it is on its way
  kFull,   ///< the client has too much before it still: it does not get this
  kGone,   ///< there is no client any more
};

}  // namespace sluice::ctrl
