// Addresses with ports, as people write them on a command line. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "common/result.h"

namespace sluice::sluicectl {

struct EndpointText {
  std::string address;
  std::optional<uint16_t> port;
};

/// `10.20.0.11:8080`, `[2001:db8::1]:8080`, or an address alone.
Result<EndpointText> parse_endpoint(const std::string& text);

/// A port, 0 to 65535.
Result<uint16_t> parse_port(const std::string& text);

}  // namespace sluice::sluicectl
