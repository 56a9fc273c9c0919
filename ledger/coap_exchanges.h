// Which CoAP requests came lately, so that a retransmission is answered like the first (RFC 7252, 4.2 and
// 4.5). One per hash worker, for the clients whose requests it parses; bounded; nothing is allocated
// after construction.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "common/address.h"
#include "common/siphash.h"
#include "ledger/receipt.h"

namespace sluice::ledger {

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
    kAnswered,  ///< `answer` again, with the message's own token
  };
  struct Verdict {
    Seen seen = Seen::kNew;
    const Answer* answer = nullptr;  ///< only for kAnswered; valid until the next call
  };

  /// Of address, port and exchange, for the calls below.
  uint32_t hash_of(const Requester& requester) const;
  /// Fetch what note() will look at, one after the other. Call each for a whole burst.
  void prefetch_bucket(uint32_t hash) const { __builtin_prefetch(&buckets_[hash & (buckets_.size() - 1)]); }
  void prefetch_entry(uint32_t hash) const;
  /// Notes a request. Where it is new, sets its `ticket`, by which answered() finds it again.
  Verdict note(Requester& requester, uint32_t hash, uint64_t now_ns);

  /// Fetches what answered() will look at. Call it some answers before.
  void prefetch(const Answer& answer) const;
  /// Notes what a request was answered. Nothing happens where it was forgotten meanwhile.
  void answered(const Answer& answer);

 private:
  // What a search looks at, apart from the answers so that it stays in the cache.
  struct Link {
    uint64_t since_ns = 0;
    uint32_t hash = 0;
    uint32_t next = kNone;  // of the same bucket
    uint32_t previous = kNone;
    bool used = false;
    bool is_answered = false;
  };
  static constexpr uint32_t kNone = UINT32_MAX;

  uint32_t& bucket_of(uint32_t hash) { return buckets_[hash & (buckets_.size() - 1)]; }
  uint32_t find(const Requester& requester, uint32_t hash);
  void remove(uint32_t index);

  SipKey seed_;
  uint32_t oldest_ = 0;  // the ring's write position: entries are reused in the order they came
  std::vector<Link> links_;
  std::vector<Answer> answers_;  // by the same index
  std::vector<uint32_t> buckets_;
};

}  // namespace sluice::ledger
