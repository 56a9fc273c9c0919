// What of an xDS listener (LDS) a gateway of layer 4 can serve: one that hands everything which comes to its
// address and port to clusters, by `tcp_proxy`. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/address.h"
#include "common/result.h"

namespace sluice::ctrl {

inline constexpr std::string_view kListenerType = "type.googleapis.com/envoy.config.listener.v3.Listener";

struct XdsListener {
  struct Target {
    std::string cluster;
    uint32_t weight = 1;
    bool operator==(const Target&) const = default;
  };
  std::string name;
  IpAddress address;
  uint16_t port = 0;
  std::vector<Target> targets = {};  ///< no cluster twice, some weight above 0
  /// Why it cannot be served here, for people; empty: it can, and only then is the rest to be read.
  std::string objection = {};
  bool operator==(const XdsListener&) const = default;
};

/// An Error is what the control plane is told in a NACK. A listener that means what only a proxy can do
/// (HTTP, TLS, a choice by what clients say, access rules of its own) is no fault; it has an objection.
Result<XdsListener> read_xds_listener(std::string_view message);

}  // namespace sluice::ctrl
