// `gateway.limits`: how much one worker does for whoever asks, apart from forwarding. Plain values.
#pragma once

#include "dataplane/base/token_bucket.h"

namespace sluice::dataplane {

struct WorkerLimits {
  RateLimit echo{10000, 1000};           ///< echo requests answered
  RateLimit icmp_errors{1000, 100};      ///< ICMP errors made
  RateLimit kernel{10000, 1000};         ///< packets to the kernel's taps
  RateLimit neighbor_copies{1000, 250};  ///< ARP and NDP packets copied to the other workers; the same again
                                         ///< of those that speak of gateways and backends
  bool operator==(const WorkerLimits&) const = default;
};

}  // namespace sluice::dataplane
