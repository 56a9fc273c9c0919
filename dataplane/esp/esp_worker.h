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

namespace sluice::dataplane {

class EspWorker {
 public:
  static constexpr size_t kMostWaiting = 256;

  /// A bare packet, and 1 + the place of its tunnel.
  struct Waiting {
    rte_mbuf* packet;
    uint32_t since_ms;
    uint16_t tunnel;
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
