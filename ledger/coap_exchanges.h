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
#include "ledger/position_table.h"
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
  CoapExchanges(const CoapExchanges&) = delete;
  CoapExchanges& operator=(const CoapExchanges&) = delete;

  enum class Seen : uint8_t {
    kNew,       ///< judge the request; answered() must follow some time
    kPending,   ///< the answer is under way: say nothing
    kAnswered,  ///< give `outcome` and `receipt` again
  };
  struct Verdict {
    Seen seen = Seen::kNew;
    Outcome outcome = Outcome::kStored;  ///< only for kAnswered
    const Receipt* receipt = nullptr;    ///< only for kAnswered; valid until the next call
  };

  /// Of the client and of every byte of its message, for the calls below. Keyed: nobody can aim at a bucket.
  uint64_t hash_of(const Requester& requester, std::span<const uint8_t> message) const;
  /// Fetches what note() will look at. Call it for a whole burst.
  void prefetch(uint64_t hash) const { table_.prefetch(table_.home_of(hash)); }
  /// Notes a request. Where it is new, sets its `ticket`, by which answered() finds it again.
  Verdict note(Requester& requester, uint64_t hash, uint64_t now_ns);

  /// Fetches what answered() will look at. Call it some answers before.
  void prefetch(const Answer& answer) const;
  /// Notes what a request was answered. From `until_ns` on, and after its lifetime, it is judged anew.
  /// Nothing happens where it was forgotten meanwhile.
  void answered(const Answer& answer, uint64_t until_ns = UINT64_MAX);

 private:
  enum class State : uint8_t { kFree, kPending, kAnswered };
  // What a request is told by: one line. Receipts lie apart, for they are looked at when an answer comes.
  struct alignas(64) Entry {
    uint64_t hash = 0;
    uint64_t until_ns = 0;
    IpAddress client;
    uint32_t use =
        0;  // how often the place was given away: the upper half of a ticket, the place is the lower
    Be16 port;
    uint8_t ingress = 0;
    State state = State::kFree;
    coap::Exchange exchange;
    Outcome outcome = Outcome::kStored;

    bool is_of(const Requester& requester) const;
  };
  static_assert(sizeof(Entry) == 64);

  uint32_t ahead(uint32_t index, uint32_t places) const {
    const uint64_t sum = uint64_t{index} + places;
    return static_cast<uint32_t>(sum < entries_.size() ? sum : sum % entries_.size());
  }
  void prefetch_reuse() const;
  void remove(uint32_t index);

  MessageDigest digest_;
  uint32_t oldest_ = 0;  // the ring's write position: entries are reused in the order they came
  std::vector<Entry> entries_;
  std::vector<Receipt> receipts_;  // by the same index
  std::vector<BucketWords> buckets_;
  PositionTable table_;  // of entries, in buckets_
};

}  // namespace sluice::ledger
