// Collects messages of like length until they fill the lanes of an engine, but holds none longer than a
// deadline. Owned by one thread; bounded; nothing is allocated after construction. Time is an argument.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "crypto/sha256.h"

namespace sluice::crypto {

class HashBatcher {
 public:
  /// Messages of one kind that are hashed as soon as they are there.
  static constexpr size_t kGroup = kMostLanes;
  /// Groups that fill side by side, with a prefix and without: an id and a leaf of one payload have one
  /// length each, and a group of one length goes the short way.
  static constexpr size_t kBuckets = 2 * 26;
  /// More messages than are ever held: a full group does not wait.
  static constexpr size_t kCapacity = kBuckets * kGroup;

  /// What was finished by one call: the tags of messages whose digests are written, in no order. Valid
  /// until the next call.
  using Finished = std::span<const uint32_t>;

  /// Borrows `engine`. `most_delay` and every `now` have one unit of the caller's choice; `now` never
  /// goes back.
  HashBatcher(Sha256& engine, uint64_t most_delay) : engine_(engine), most_delay_(most_delay) {}
  HashBatcher(const HashBatcher&) = delete;
  HashBatcher& operator=(const HashBatcher&) = delete;

  /// Takes a message, whose data and digest stay valid until its `tag` comes back.
  Finished add(const Message& message, uint32_t tag, uint64_t now);

  /// Hashes everything held if the oldest message has waited `most_delay`. Call it at every poll.
  Finished poll(uint64_t now);

  /// Hashes everything held.
  Finished flush();

  size_t held() const { return held_; }

 private:
  struct Bucket {
    uint32_t count = 0;
    std::array<Message, kGroup> messages;
    std::array<uint32_t, kGroup> tags;
  };

  static size_t bucket_of(const Message& message);

  Sha256& engine_;
  uint64_t most_delay_;
  uint64_t oldest_since_ = 0;  // no message that is held came earlier
  size_t held_ = 0;
  std::array<Bucket, kBuckets> buckets_;
  std::array<Message, kCapacity> batch_;
  std::array<uint32_t, kCapacity> finished_;
};

}  // namespace sluice::crypto
