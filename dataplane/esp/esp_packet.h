// Encrypting and decrypting whole packets in place, on one worker. Pure but for the numbers of the
// association; no DPDK, so that tests and fuzzing need none.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "common/headers.h"
#include "crypto/aes_gcm.h"
#include "dataplane/esp/esp_format.h"
#include "dataplane/esp/security_association.h"
#include "dataplane/esp/tunnel_header.h"
#include "dataplane/esp/tunnel_state.h"

namespace sluice::dataplane {

/// Room that sealing needs behind an inner packet, at most.
inline constexpr size_t kMostEspTail = 3 + sizeof(EspTrailer) + kIcvBytes;

/// A packet that is to be sealed in place. `sealed` is the result: it begins in front of `ip`, with the outer
/// headers, and ends with the ICV.
struct SealedPacket {
  uint8_t* ip;
  size_t ip_bytes;
  std::span<uint8_t> sealed = {};
};
/// Encrypts packets, with `front` before each and consecutive sequence numbers from `first` on.
void seal_packets(const crypto::AesGcm& gcm, const OutboundSa& sa, const TunnelFront& front, uint64_t first,
                  std::span<SealedPacket> packets);
/// The same for the one packet of `ip_bytes` bytes at `ip`. Returns SealedPacket::sealed.
std::span<uint8_t> seal_packet(const crypto::AesGcm& gcm, const OutboundSa& sa, const TunnelHeader& header,
                               uint64_t number, uint8_t* ip, size_t ip_bytes);
/// Undoes sealing: afterwards the packet at `ip` is what it was before.
void unseal_packet(const crypto::AesGcm& gcm, const OutboundSa& sa, uint64_t number, uint8_t* ip,
                   size_t ip_bytes);

/// What an ESP packet comes to.
struct OpenedPacket {
  enum class Outcome : uint8_t {
    kInner,    ///< `inner` may be trusted to come from who has the key
    kDummy,    ///< nothing: traffic that hides that there is none (RFC 4303, 2.6)
    kDropped,  ///< by `drop`
  };
  Outcome outcome = Outcome::kDropped;
  TunnelDrop drop = TunnelDrop::kMalformed;
  std::span<uint8_t> inner = {};  ///< with whatever padding is behind its packet; a whole IP header at least
  bool is_v4 = false;
};
/// Opens, in place, what begins with an ESP header of the association and ends with the packet. At most once
/// says kInner, or kDummy, for each number, on whichever worker.
OpenedPacket open_packet(const crypto::AesGcm& gcm, const InboundSa& sa, std::span<uint8_t> esp);

}  // namespace sluice::dataplane
