// One direction of an ESP tunnel's protection: the key, its numbers, and what has been taken of them. Made by
// the control thread; workers use it as long as Tables refer to it, and its key is erased with it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>

#include "common/bytes.h"
#include "crypto/aes_gcm.h"
#include "dataplane/esp/replay_window.h"
#include "dataplane/esp/sequence_leases.h"

namespace sluice::dataplane {

/// Which numbers an inbound association may accept, and has. Workers move `highest` and `wanted` on; the
/// control thread follows with `limit`.
struct InboundSequence {
  std::atomic<uint64_t>* highest;  ///< accepted so far; kept where the process's end does not end it
  std::atomic<uint64_t> limit{
      0};  ///< none above: stable storage says that all up to it may have been accepted
  std::atomic<uint64_t> wanted{0};    ///< the highest that was right, and above the limit
  std::shared_ptr<const void> owner;  ///< of `highest`
};

struct InboundSa {
  InboundSa(const crypto::AesGcm& gcm, Be32 number, std::span<const uint8_t> key_bytes, Be32 key_salt,
            bool extended, uint32_t window_size, std::shared_ptr<InboundSequence> numbers)
      : spi(number),
        salt(key_salt),
        is_extended(extended),
        key(gcm, key_bytes),
        sequence(std::move(numbers)),
        window(window_size, *sequence->highest) {}

  const Be32 spi;
  const Be32 salt;
  const bool is_extended;
  const crypto::AesGcmKey key;
  const std::shared_ptr<InboundSequence> sequence;
  mutable ReplayWindow window;
};

struct OutboundSa {
  OutboundSa(const crypto::AesGcm& gcm, Be32 number, std::span<const uint8_t> key_bytes, Be32 key_salt,
             bool extended, std::shared_ptr<SequenceLeases> numbers)
      : spi(number), salt(key_salt), is_extended(extended), key(gcm, key_bytes), leases(std::move(numbers)) {}

  const Be32 spi;
  const Be32 salt;
  const bool is_extended;
  const crypto::AesGcmKey key;
  const std::shared_ptr<SequenceLeases> leases;  ///< of all associations with this key
};

}  // namespace sluice::dataplane
