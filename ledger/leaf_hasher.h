// The leaf hashes of a record's payloads, through an engine. One thread; keeps its buffers.
#pragma once

#include <span>
#include <vector>

#include "crypto/sha256.h"
#include "ledger/record_reader.h"

namespace sluice::ledger {

class LeafHasher {
 public:
  explicit LeafHasher(crypto::Sha256& engine) : engine_(engine) {}

  /// Valid until the next call.
  std::span<const crypto::Digest> hash(const Record& record) {
    leaves_.resize(record.count());
    messages_.resize(record.count());
    record.for_each([&](uint32_t place, Profile, std::span<const uint8_t> payload) {
      messages_[place] = {payload.data(), &leaves_[place], static_cast<uint32_t>(payload.size()),
                          crypto::Prefix::leaf, crypto::Rounds::once};
    });
    engine_.hash(messages_);
    return leaves_;
  }

 private:
  crypto::Sha256& engine_;
  std::vector<crypto::Digest> leaves_;
  std::vector<crypto::Message> messages_;
};

}  // namespace sluice::ledger
