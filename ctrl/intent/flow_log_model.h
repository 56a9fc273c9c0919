// `flow_log` of the configuration: where records of flows go, and of how many flows. Values.
#pragma once

#include <cstdint>
#include <string>

namespace sluice::ctrl {

struct FlowLogModel {
  enum class Kind : uint8_t { kFile, kIpfixUdp, kIpfixTcp };

  Kind kind = Kind::kFile;
  std::string path;   ///< of kFile
  std::string host;   ///< of a collector
  uint16_t port = 0;  ///< of a collector
  double sample = 1;  ///< the share of flows that are told of, above 0 to 1
  bool operator==(const FlowLogModel&) const = default;
};

}  // namespace sluice::ctrl
