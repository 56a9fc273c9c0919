// Where each flow of a replay went: what the data plane decided for its first packet, how many came, and what
// of them was dropped. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dataplane/base/drop_reason.h"
#include "dataplane/tables/capture.h"
#include "sim/core/simulated_gateway.h"

namespace sluice::sim {

/// A TCP or UDP flow by its packets that came in.
struct ReplayedFlow {
  FlowKey key;
  unsigned port = 0;           ///< that its first packet came in by
  uint64_t since_1970_ns = 0;  ///< when that came
  uint64_t packets = 0;
  uint64_t bytes = 0;  ///< of frames
  dataplane::Explanation decision = {};
  std::optional<std::string> service = {};
  std::optional<ctrl::BackendKey> backend = {};
  bool is_answer = false;  ///< it comes from a backend, and belongs to another flow
  std::map<dataplane::DropReason, uint64_t> dropped = {};
};

class FlowReport {
 public:
  /// Has the gateway show what it drops.
  explicit FlowReport(SimulatedGateway& gateway);

  /// A frame that is about to come in. Fragments behind the first, and what is neither TCP nor UDP, are no
  /// flow's.
  void note_arrival(unsigned port, uint64_t since_1970_ns, FrameBytes frame);
  /// Asks what became of flows that are new. Once the gateway has come to rest.
  void explain_new();

  const std::vector<ReplayedFlow>& flows() const { return flows_; }

 private:
  using Key = std::array<uint8_t, FlowKey::kHashedBytes>;
  static Key key_of(const FlowKey& key);
  void count_drops();
  void explain(ReplayedFlow& flow);

  SimulatedGateway& gateway_;
  std::shared_ptr<const dataplane::Capture> drops_;
  std::vector<ReplayedFlow> flows_;
  std::map<Key, size_t> places_;  ///< in `flows_`
  size_t explained_ = 0;
};

}  // namespace sluice::sim
