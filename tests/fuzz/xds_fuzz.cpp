// What a control plane sends on one stream: messages, each behind two bytes of its length. Whatever comes, a
// response counts whole or not at all, every one is answered, and the shares of a cluster are no more than
// the whole.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string_view>

#include "ctrl/net/faults.h"
#include "ctrl/source/ads_state.h"
#include "ctrl/source/xds_shares.h"

namespace sluice::ctrl {
namespace {

void require(bool promise) {
  if (!promise) std::abort();
}

void check_shares(const XdsAssignment& assignment) {
  double whole = 0;
  size_t with_share = 0;
  const auto instances = instances_of(assignment);
  for (const Instance& instance : instances) {
    require(instance.port != 0 && instance.weight <= 65535);
    with_share += instance.share.has_value();
    whole += instance.share.value_or(0);
  }
  require(with_share == 0 || with_share == instances.size());
  require(whole >= 0 && whole <= 1.001);
}

/// `number`: how many there have to be still.
void check_listeners(const AdsState& state, std::optional<size_t> number) {
  if (state.listeners() == nullptr) return;
  if (number) require(state.listeners()->size() == *number);
  for (const auto& [name, listener] : *state.listeners()) {
    require(name == listener.name && !name.empty());
    if (!listener.objection.empty()) continue;
    uint64_t weights = 0;
    for (const XdsListener::Target& target : listener.targets) {
      require(!target.cluster.empty() && target.weight <= 65535);
      weights += target.weight;
    }
    require(weights > 0 && listener.port != 0);
  }
}

void converse(std::string_view rest, bool is_delta) {
  AdsState state({"node", "cluster"}, is_delta);
  (void)state.want("web");
  (void)state.want_listeners();
  (void)state.open(!is_delta);
  while (rest.size() >= 2) {
    const size_t size =
        std::min<size_t>(static_cast<uint8_t>(rest[0]) << 8 | static_cast<uint8_t>(rest[1]), rest.size() - 2);
    const auto before = state.of("web");
    const bool was_there = before && before->assignment != nullptr;
    const size_t listeners = state.listeners() == nullptr ? 0 : state.listeners()->size();
    try {
      const AdsState::Taken taken = state.take(rest.substr(2, size));
      require(taken.replies.size() <= 3 && (taken.refusal.empty() || taken.replies.size() == 1));
      const auto after = state.of("web");
      if (!taken.refusal.empty() && was_there) require(after && after->assignment == before->assignment);
      if (after && after->assignment != nullptr) check_shares(*after->assignment);
      check_listeners(state, taken.refusal.empty() ? std::nullopt : std::optional(listeners));
    } catch (const PeerFault&) {
      return;  // the stream ends
    }
    rest.remove_prefix(2 + size);
  }
}

}  // namespace
}  // namespace sluice::ctrl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  sluice::ctrl::converse({reinterpret_cast<const char*>(data) + 1, size - 1}, data[0] == 'd');
  return 0;
}
