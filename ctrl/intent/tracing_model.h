// `tracing` of the configuration: who is sent spans of what happens, and of how much of the traffic. Values.
#pragma once

#include <map>
#include <string>

namespace sluice::ctrl {

struct TracingModel {
  std::string otlp;         ///< `http://HOST:PORT` of a receiver; `/v1/traces` is added to its path
  double flows = 0;         ///< the share of flows that are told of, 0 to 1
  double transactions = 0;  ///< the same of the ledger's
  /// Of each request, by name: a value, or `file:` and where it lies. For whoever may know secrets.
  std::map<std::string, std::string> headers;
  std::map<std::string, std::string> resource;  ///< attributes of the gateway, besides its own
  bool operator==(const TracingModel&) const = default;
};

}  // namespace sluice::ctrl
