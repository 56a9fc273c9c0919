// `flow_log` of the configuration: where records of flows go. Values.
#pragma once

#include <cstdint>
#include <string>

#include "common/address.h"

namespace sluice::ctrl {

struct FlowLogModel {
  enum class To : uint8_t { kFile, kIpfix };
  To to = To::kFile;
  std::string file;     ///< of kFile
  IpAddress collector;  ///< of kIpfix, as the next
  uint16_t port = 0;
  double sample = 1.0;  ///< of all flows, above 0 and up to 1
  bool operator==(const FlowLogModel&) const = default;
};

}  // namespace sluice::ctrl
