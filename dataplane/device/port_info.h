// A port after the start. Plain values.
#pragma once

#include <cstdint>
#include <string>

#include "common/address.h"

namespace sluice::dataplane {

/// A configured port after its device has been found and set up.
struct PortInfo {
  std::string name;
  MacAddress mac;
  uint16_t mtu;
  std::string driver;
  bool link_up;
  std::string kernel_interface;  ///< name of the tap; empty: none
};

}  // namespace sluice::dataplane
