// Which stages beside those that forward must see packets of a port or a service: a bit for each. A port's
// mask is asked once for a burst, a service's when a path is made: what needs none pays nothing.
#pragma once

#include <cstdint>

namespace sluice::dataplane {

using StageMask = uint8_t;

namespace stage {
inline constexpr StageMask kCaptureReceived = 1;
inline constexpr StageMask kCaptureSent = 2;
inline constexpr StageMask kCaptureDropped = 4;
inline constexpr StageMask kPolice = 8;    ///< every packet of a client is counted
inline constexpr StageMask kInspect = 16;  ///< every packet's payload is scanned
inline constexpr StageMask kAccount = 32;  ///< every packet is counted for its flow
inline constexpr StageMask kAccess = 64;   ///< every packet is held against an access list

/// Those that the short ways call by themselves. A service that needs another has no known paths.
inline constexpr StageMask kOfKnownPaths = kCaptureReceived | kCaptureSent | kPolice | kAccount;
}  // namespace stage

}  // namespace sluice::dataplane
