// EndpointSlices (discovery.k8s.io/v1) in answers of a Kubernetes API server: a page of a list, and the lines
// of a watch. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/result.h"

namespace sluice::ctrl {

struct SlicePort {
  std::string name;
  std::optional<int64_t> number;  ///< nothing: every port
};
struct SliceEndpoint {
  std::string address;  ///< its first; empty: it has none
  bool ready = true;    ///< nil counts as true
  bool serving = true;  ///< nil: as ready
  bool terminating = false;
};
struct EndpointSlice {
  std::string name;
  std::string version;  ///< metadata.resourceVersion: opaque
  std::string service;  ///< of the label kubernetes.io/service-name
  std::vector<SlicePort> ports;
  std::vector<SliceEndpoint> endpoints;
};

struct SlicePage {
  std::string version;
  std::string next;  ///< `continue`; empty: it was the last
  std::vector<EndpointSlice> slices;
};
Result<SlicePage> read_slice_page(std::string_view body);

struct SliceEvent {
  enum class Kind : uint8_t { kPut, kDelete, kBookmark, kGone, kError };
  Kind kind = Kind::kError;
  EndpointSlice slice;  ///< of a bookmark its version alone
  std::string reason;   ///< of an error
};
Result<SliceEvent> read_slice_event(std::string_view line);

/// `message` of a Status object, at most 200 bytes; empty where there is none.
std::string read_kubernetes_status(std::string_view body);

}  // namespace sluice::ctrl
