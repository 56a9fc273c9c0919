// Short ways to write down addresses, endpoints and keys in the tests of this folder.
#pragma once

#include <string_view>
#include <vector>

#include "common/flow_key.h"
#include "lb/maglev.h"

namespace sluice::lb {

inline IpAddress address(std::string_view text) {
  return IpAddress::parse(text).value();
}

inline Be16 port(unsigned number) {
  return Be16::from_host(static_cast<uint16_t>(number));
}

inline Endpoint endpoint(std::string_view text, unsigned number, IpProtocol protocol = IpProtocol::kTcp) {
  return {address(text), port(number), protocol};
}

inline FlowKey flow_key(std::string_view source, unsigned source_port, std::string_view destination,
                        unsigned destination_port, IpProtocol protocol = IpProtocol::kTcp) {
  return {address(source), address(destination), port(source_port), port(destination_port), protocol, {}};
}

/// 10.0.0.0 + i, port 80, id i.
inline std::vector<WeightedEndpoint> many_endpoints(size_t count, uint32_t weight = 1) {
  std::vector<WeightedEndpoint> result;
  for (uint32_t i = 0; i < count; ++i) {
    result.push_back(
        {{IpAddress::v4(Be32::from_host(0x0a000000 + i)), port(80), IpProtocol::kTcp}, weight, i});
  }
  return result;
}

/// The key 00 01 02 ... 0f.
inline constexpr SipKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

}  // namespace sluice::lb
