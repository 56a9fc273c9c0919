// The security associations that tunnels have, beside what is configured: immutable, made anew with each
// change, shared by what did not. compile() makes Tables of them.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ctrl/intent/tunnel_model.h"
#include "ctrl/tunnel/sequence_file.h"
#include "dataplane/esp/security_association.h"
#include "dataplane/esp/tunnel_state.h"

namespace sluice::ctrl {

struct InboundAssociation {
  std::shared_ptr<const dataplane::InboundSa> sa;
  KeyId key{};  ///< EspKey::id()
  /// When it is forgotten: another one has taken its place. Nothing: it counts.
  std::optional<std::chrono::steady_clock::time_point> until = {};
  std::optional<std::chrono::system_clock::time_point> expires = {};  ///< as the key manager says
  bool is_kernels = false;                                            ///< it goes with what the kernel has
};

struct OutboundAssociation {
  std::shared_ptr<const dataplane::OutboundSa> sa;
  KeyId key{};
  std::optional<std::chrono::system_clock::time_point> expires = {};
  bool is_kernels = false;
};

struct TunnelAssociation {
  std::shared_ptr<dataplane::TunnelState> state;
  std::optional<StaticKeysModel> keys;  ///< of the configuration that it was made for; nothing: the kernel's
  std::optional<OutboundAssociation> out = {};
  std::vector<InboundAssociation> in = {};  ///< the newest last
  /// There are keys, and none can be used: sequence numbers cannot be kept.
  bool lacks_storage = false;
  bool is_held = false;  ///< the kernel cannot be asked any more: what it said last holds
};

struct TunnelAssociations {
  std::map<std::string, std::shared_ptr<const TunnelAssociation>> tunnels;

  const TunnelAssociation* find(const std::string& tunnel) const {
    const auto found = tunnels.find(tunnel);
    return found == tunnels.end() ? nullptr : found->second.get();
  }
};

/// What is to count with the next Tables.
class TunnelPlan {
 public:
  explicit TunnelPlan(std::shared_ptr<const TunnelAssociations> associations)
      : next(std::move(associations)) {}
  std::shared_ptr<const TunnelAssociations> next;
};

}  // namespace sluice::ctrl
