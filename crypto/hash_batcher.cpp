#include "crypto/hash_batcher.h"

#include <algorithm>

namespace sluice::crypto {

/// By block count, 1 to 25 (1591 bytes) and all that is longer, and by prefix.
size_t HashBatcher::bucket_of(const Message& message) {
  const uint64_t length = std::min<uint64_t>(message.blocks(), kBuckets / 2) - 1;
  return 2 * length + (message.prefix != Prefix::none);
}

HashBatcher::Finished HashBatcher::add(const Message& message, uint32_t tag, uint64_t now) {
  if (held_ == 0) oldest_since_ = now;
  Bucket& bucket = buckets_[bucket_of(message)];
  bucket.messages[bucket.count] = message;
  bucket.tags[bucket.count] = tag;
  ++bucket.count;
  ++held_;
  if (now - oldest_since_ >= most_delay_) return flush();
  if (bucket.count < kGroup) return {};
  engine_.hash(bucket.messages);
  std::ranges::copy(bucket.tags, finished_.begin());
  held_ -= kGroup;
  bucket.count = 0;
  return Finished(finished_).first(kGroup);
}

HashBatcher::Finished HashBatcher::poll(uint64_t now) {
  if (held_ == 0 || now - oldest_since_ < most_delay_) return {};
  return flush();
}

HashBatcher::Finished HashBatcher::flush() {
  size_t count = 0;
  for (Bucket& bucket : buckets_) {
    std::copy_n(bucket.messages.begin(), bucket.count, batch_.begin() + count);
    std::copy_n(bucket.tags.begin(), bucket.count, finished_.begin() + count);
    count += bucket.count;
    bucket.count = 0;
  }
  engine_.hash(std::span(batch_).first(count));
  held_ = 0;
  return Finished(finished_).first(count);
}

}  // namespace sluice::crypto
