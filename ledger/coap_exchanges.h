// Which CoAP requests came lately, so that a retransmission is answered like the first (RFC 7252, 4.2 and
// 4.5). One per hash worker, for the clients whose requests it parses; bounded; nothing is allocated
// after construction.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "common/address.h"
#include "common/siphash.h"
#include "ledger/message_digest.h"
#include "ledger/receipt.h"

namespace sluice::ledger {

/// A retransmission is the same bytes from the same client (RFC 7252, 4.2): clients draw Message IDs by
/// chance, restart and share ports, so that the ID alone says little. Another message under a used ID is an
/// exchange of its own beside the first, and both are answered.
///
/// Remembers the last `capacity` requests, and none longer than EXCHANGE_LIFETIME. Where one is forgotten
/// early, its retransmission is judged anew: the dedupe window still gives a repeat its first receipt.
class CoapExchanges {
 public:
  /// EXCHANGE_LIFETIME (RFC 7252, 4.8.2) with default parameters: 247 s.
  static constexpr uint64_t kLifetimeNs = 247'000'000'000;

  CoapExchanges(uint32_t capacity, SipKey seed);

  enum class Seen : uint8_t {
    kNew,       ///< judge the request; answered() must follow some time
    kPending,   ///< the answer is under way: say nothing
    kAnswered,  ///< `answer` again
  };
  struct Verdict {
    Seen seen = Seen::kNew;
    const Answer* answer = nullptr;  ///< only for kAnswered; valid until the next call
  };

  /// Of the client and of every byte of its message, for the calls below. Keyed: nobody can aim at a bucket.
  uint64_t hash_of(const Requester& requester, std::span<const uint8_t> message) const;
  /// Fetch what note() will look at, one after the other. Call each for a whole burst.
  void prefetch_bucket(uint64_t hash) const { __builtin_prefetch(&buckets_[hash & (buckets_.size() - 1)]); }
  void prefetch_entry(uint64_t hash) const;
  /// Notes a request. Where it is new, sets its `ticket`, by which answered() finds it again.
  Verdict note(Requester& requester, uint64_t hash, uint64_t now_ns);

  /// Fetches what answered() will look at. Call it some answers before.
  void prefetch(const Answer& answer) const;
  /// Notes what a request was answered. From `until_ns` on, and after its lifetime, it is judged anew.
  /// Nothing happens where it was forgotten meanwhile.
  void answered(const Answer& answer, uint64_t until_ns = UINT64_MAX);

 private:
  // What a search looks at, apart from the answers so that it stays in the cache.
  struct Link {
    uint64_t until_ns = 0;
    uint64_t hash = 0;
    uint32_t next = kNone;  // of the same bucket
    uint32_t previous = kNone;
    uint32_t use =
        0;  // how often the place was given away: the upper half of a ticket, the place is the lower
    bool used = false;
    bool is_answered = false;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t& bucket_of(uint64_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }
  uint32_t ahead(uint32_t index, uint32_t places) const {
    const uint64_t sum = uint64_t{index} + places;
    return static_cast<uint32_t>(sum < links_.size() ? sum : sum % links_.size());
  }
  void prefetch_reuse() const;
  uint32_t find(const Requester& requester, uint64_t hash);
  void remove(uint32_t index);

  MessageDigest digest_;
  uint32_t oldest_ = 0;  // the ring's write position: entries are reused in the order they came
  std::vector<Link> links_;
  std::vector<Answer> answers_;  // by the same index
  std::vector<uint32_t> buckets_;
};

}  // namespace sluice::ledger
