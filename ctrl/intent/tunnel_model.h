// `tunnels` of the configuration: values only. Keys are not among them, only where they are read from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common/address.h"

namespace sluice::ctrl {

/// Of `algorithm`, and what a key of it has before its 4 bytes of salt (RFC 4106, 8.1).
enum class EspAlgorithm : uint8_t { kAes128Gcm, kAes256Gcm };
constexpr size_t key_bytes(EspAlgorithm algorithm) {
  return algorithm == EspAlgorithm::kAes128Gcm ? 16 : 32;
}

inline constexpr uint32_t kFirstSpi = 256;  ///< RFC 4303, 2.1: those below are reserved
inline constexpr uint32_t kReplayWindow = 1024;
inline constexpr uint32_t kLeastReplayWindow = 32;  ///< RFC 4303, 3.4.3
inline constexpr uint32_t kMostReplayWindow = 65536;
inline constexpr size_t kMostTunnelNetworks = 65536;  ///< of all tunnels together

/// Security associations whose keys are in files.
struct StaticKeysModel {
  uint32_t spi_in = 0;
  uint32_t spi_out = 0;
  EspAlgorithm algorithm = EspAlgorithm::kAes128Gcm;
  std::string in;  ///< `file:` and an absolute path, as `out`
  std::string out;
  bool esn = false;
  uint32_t replay_window = kReplayWindow;
  bool operator==(const StaticKeysModel&) const = default;
};

struct TunnelModel {
  std::string name;
  IpAddress local;
  IpAddress remote;
  std::vector<Prefix> networks;
  std::optional<StaticKeysModel> keys;  ///< nothing: the kernel's XFRM state has them
  bool udp = false;                     ///< ESP in UDP, port 4500 (RFC 3948)
  bool operator==(const TunnelModel&) const = default;
};

}  // namespace sluice::ctrl
