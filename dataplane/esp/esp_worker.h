// What one worker has to encrypt and decrypt with: the library, and the packets that wait to be encrypted.
// They are encrypted at the end of a poll, since sequence numbers are taken when packets leave. One worker's.
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

  /// A packet that waits. One that came the long way begins with its IP header and has its metadata. One that
  /// came a short way has a TunnelMark in front, and its metadata are not written: `in_port`, `service` and
  /// `backend` hold what strip_mark() writes there when somebody needs them.
  struct Waiting {
    rte_mbuf* packet;
    uint32_t since_ms;       ///< Worker::now_ms when it began to wait
    uint16_t tunnel;         ///< 1 + its place in TunnelTables
    uint8_t mark_bytes = 0;  ///< size of what lies in front of the IP header
    uint8_t in_port = 0;
    uint32_t service = 0;
    uint32_t backend = 0;

    uint8_t* ip() const { return rte_pktmbuf_mtod_offset(packet, uint8_t*, mark_bytes); }
    size_t ip_bytes() const { return size_t{packet->pkt_len} - mark_bytes; }
    /// Takes the TunnelMark off and writes the metadata; nothing where that is done already.
    void strip_mark() {
      if (mark_bytes == 0) return;
      rte_pktmbuf_adj(packet, mark_bytes);
      PacketMeta& meta = meta_of(packet);
      meta.in_port = in_port;
      meta.l3_offset = 0;  // there is no Ethernet header any more
      meta.link_stripped_at = packet->data_off;
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
  /// Forgets all but the first `count` of waiting(), which the caller has sent or dropped.
  void keep_first(size_t count) { count_ = count; }

 private:
  crypto::AesGcm gcm_;
  size_t count_ = 0;
  std::array<Waiting, kMostWaiting> waiting_;
};

}  // namespace sluice::dataplane
