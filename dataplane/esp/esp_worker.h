// What one worker has to encrypt and decrypt with: the library, and the packets that are about to be
// encrypted. These are the last thing that a poll does: numbers are taken when their packets leave.
#pragma once

#include <rte_mbuf.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

#include "crypto/aes_gcm.h"
#include "dataplane/base/packet.h"

namespace sluice::dataplane {

class EspWorker {
 public:
  static constexpr size_t kMostWaiting = 256;

  /// A packet, and 1 + the place of its tunnel. It is bare; or it came by the short way, behind `mark_bytes`
  /// bytes that say for whom it is, and its metadata were not written: lay_bare() does that where anybody
  /// asks for them.
  struct Waiting {
    rte_mbuf* packet;
    uint32_t since_ms;
    uint16_t tunnel;
    uint8_t mark_bytes = 0;
    uint8_t in_port = 0;
    uint32_t service = 0;
    uint32_t backend = 0;

    uint8_t* ip() const { return rte_pktmbuf_mtod_offset(packet, uint8_t*, mark_bytes); }
    size_t ip_bytes() const { return size_t{packet->pkt_len} - mark_bytes; }
    void lay_bare() {
      if (mark_bytes == 0) return;
      rte_pktmbuf_adj(packet, mark_bytes);
      PacketMeta& meta = meta_of(packet);
      meta.in_port = in_port;
      meta.l3_offset = 0;  // there is no Ethernet header any more
      meta.bare_at = packet->data_off;
      meta.tunnel = 0;
      meta.bind(service, backend);
      mark_bytes = 0;
    }
  };

  explicit EspWorker(crypto::AesGcm gcm) : gcm_(std::move(gcm)) {}

  const crypto::AesGcm& gcm() const { return gcm_; }
  bool has_waiting() const { return count_ != 0; }
  std::span<Waiting> waiting() { return std::span(waiting_).first(count_); }
  /// False: there is no room.
  bool add(const Waiting& packet) {
    if (count_ == kMostWaiting) return false;
    waiting_[count_++] = packet;
    return true;
  }
  /// Only the first `count` go on waiting.
  void keep_first(size_t count) { count_ = count; }

 private:
  crypto::AesGcm gcm_;
  size_t count_ = 0;
  std::array<Waiting, kMostWaiting> waiting_;
};

}  // namespace sluice::dataplane
