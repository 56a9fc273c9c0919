// All tunnels' security associations: where they come from, what replaces them, when they end, and what is
// said of them. What it plans counts once it is committed, with the Tables made of it.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "crypto/aes_gcm.h"
#include "ctrl/intent/fault.h"
#include "ctrl/intent/model.h"
#include "ctrl/observed/discovered_pool.h"
#include "ctrl/tunnel/sequence_keeper.h"
#include "ctrl/tunnel/tunnel_associations.h"
#include "ctrl/tunnel/tunnel_keys.h"

namespace sluice::ctrl {

enum class TunnelCondition : uint8_t {
  kUp,
  kNoKeys,
  kExhausted,  ///< there are no sequence numbers, or they cannot be kept
  kHeld,       ///< the key manager is out of reach: what it said last holds
};
std::string_view word_for(TunnelCondition condition);

/// For tunnel.rekey. Erased with its keys.
struct TunnelRekey {
  std::string tunnel;
  AssociationKeys in;
  AssociationKeys out;
  std::chrono::milliseconds overlap{60'000};
};

/// A tunnel's state has become another.
struct TunnelEvent {
  std::string tunnel;
  TunnelCondition state;
};

/// One row of tunnel.list.
struct TunnelRow {
  struct Direction {
    uint32_t spi;
    uint64_t sequence;  ///< the highest accepted, or sent
    std::optional<std::chrono::system_clock::time_point> expires;
  };
  std::string tunnel;
  IpAddress local, remote;
  TunnelCondition state;
  std::chrono::system_clock::time_point since;
  std::optional<Direction> in, out;
  uint64_t packets_in, packets_out, bytes_in, bytes_out;
  std::array<uint64_t, dataplane::kTunnelDrops> dropped;
};

/// What the kernel's XFRM state has, of tunnel mode with AES-GCM.
struct KernelAssociation {
  IpAddress source, destination;
  bool is_udp;
  AssociationKeys keys;
  uint64_t added;  ///< the later, the newer
  std::optional<std::chrono::system_clock::time_point> expires;
};
struct KernelAssociations {
  bool is_complete = true;  ///< false: the kernel could not be asked, and the list means nothing
  std::vector<KernelAssociation> all;
};

/// One thread at a time, but for now() and rows(), which never wait; what is in plans and Tables is shared.
class TunnelStates {
 public:
  /// Old inbound associations of a tunnel, at most.
  static constexpr size_t kMostOld = 2048;

  TunnelStates(std::string directory, unsigned workers);

  const std::string& directory() const { return directory_; }
  std::shared_ptr<const TunnelAssociations> now() const {
    const std::lock_guard lock(mutex_);
    return now_;
  }
  void commit(const TunnelPlan& plan) {
    const std::lock_guard lock(mutex_);
    now_ = plan.next;
  }

  // Each plans what would be next. A Refusal names what is at fault.
  /// For another intent: `keys` that are what they were leave their tunnel's associations alone, others are
  /// read. `is_rehearsal`: keys are read and looked at, and nothing is made of them.
  Outcome<TunnelPlan> follow(const Model& model, bool is_rehearsal);
  Outcome<TunnelPlan> rekey(const Model& model, TunnelRekey rekey, Moment now);
  /// What the kernel says, for tunnels with `keys: kernel`. Nothing: that is what there is.
  std::optional<TunnelPlan> follow_kernel(const Model& model, KernelAssociations all);
  /// Without what has had its time; and with keys that could not be used before. Nothing: nothing changes.
  std::optional<TunnelPlan> tend(const Model& model, Moment now);

  /// Looks what states tunnels are in, and says which are others than at the last look.
  std::vector<TunnelEvent> look(const Model& model, std::chrono::system_clock::time_point now);
  std::vector<TunnelRow> rows(const Model& model) const;

 private:
  using Next = std::map<std::string, std::shared_ptr<const TunnelAssociation>>;
  struct Seen {
    TunnelCondition condition;
    std::chrono::system_clock::time_point since;
  };

  std::shared_ptr<TunnelAssociation> fresh(const TunnelModel& tunnel) const;
  struct StaticKeys;
  Outcome<StaticKeys> read_keys(const TunnelModel& tunnel, size_t index) const;
  /// False, with `lacks_storage` set: their numbers cannot be kept.
  bool use(TunnelAssociation& tunnel, std::optional<InboundAssociation> same, const AssociationKeys& in,
           const AssociationKeys& out);
  Result<InboundAssociation> inbound(const AssociationKeys& keys);
  Result<OutboundAssociation> outbound(const AssociationKeys& keys);
  std::optional<Refusal> conflict(const Next& next, const std::string& tunnel, const AssociationKeys& in,
                                  const AssociationKeys& out, const std::string& in_at,
                                  const std::string& out_at) const;
  bool take_kernels(TunnelAssociation& next, const std::vector<const KernelAssociation*>& in,
                    const KernelAssociation* out);
  static TunnelPlan plan(Next next);

  const std::string directory_;
  const unsigned workers_;
  std::optional<crypto::AesGcm> gcm_;
  SequenceKeeper keeper_;
  mutable std::mutex mutex_;  ///< of the next two, for who only reads them; held for an instant
  std::shared_ptr<const TunnelAssociations> now_;
  std::map<std::string, Seen> seen_;
};

}  // namespace sluice::ctrl
