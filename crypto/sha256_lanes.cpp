#include "crypto/sha256_lanes.h"

#include <algorithm>
#include <bit>

#include "crypto/sha256_openssl.h"
#include "crypto/sha256_shani.h"

namespace sluice::crypto {
namespace {

// A group takes as long however few lanes are busy. AVX-512, Cascade Lake: OpenSSL takes 0.42 to 0.46 of a
// 16-lane group's time for one message. Where SHA-NI hashes the few, it takes about a tenth (Zen 5). AVX2:
// OpenSSL without SHA-NI takes 0.38 to 0.43 of an 8-lane group's time (measured on Sapphire Rapids).
constexpr unsigned kFewLanes = 3;
constexpr unsigned kFewLanesWithShaNi = 10;

void prefer_sha_ni_for_few(LaneKernels& kernels) {
  if (!has_sha_ni()) return;
  kernels.few_lanes = std::min(kFewLanesWithShaNi, kernels.lanes);
  kernels.hash_few = sha256_shani;
}

}  // namespace

std::optional<LaneKernels> avx512_kernels() {
  const bool has_avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512vl");
  if (!has_avx512) return std::nullopt;
  LaneKernels kernels{.lanes = kLanes,
                      .few_lanes = kFewLanes,
                      .hash = sha256_avx512_x16,
                      .hash_nodes = sha256_avx512_nodes_x16};
  if (!__builtin_cpu_is("intel")) {
    kernels.hash_two = sha256_avx512_x32;
    kernels.hash_two_nodes = sha256_avx512_nodes_x32;
  }
  prefer_sha_ni_for_few(kernels);
  return kernels;
}

std::optional<LaneKernels> avx2_kernels() {
  if (!__builtin_cpu_supports("avx2")) return std::nullopt;
  LaneKernels kernels{.lanes = kAvx2Lanes,
                      .few_lanes = kFewLanes,
                      .hash = sha256_avx2_x8,
                      .hash_nodes = sha256_avx2_nodes_x8};
  prefer_sha_ni_for_few(kernels);
  return kernels;
}

void LaneSha256::hash(std::span<const Message> messages) {
  while (!messages.empty()) {
    const auto window = messages.first(std::min<size_t>(messages.size(), kWindow));
    run(lay_out(window));
    messages = messages.subspan(window.size());
  }
}

inline void LaneSha256::place(const Message& message, unsigned lane) {
  static constexpr uint8_t kNothing[2] = {};  // an empty message may have no address
  static constexpr uint8_t kKinds[] = {0, kPrefixed, kPrefixed | kNodePrefix};  // by Prefix
  const auto total = static_cast<uint32_t>(message.total());
  const uint8_t* data = message.size == 0 ? kNothing + 1 : message.data;
  total_[lane] = total;
  start_[lane] = data - (total - message.size);
  digest_[lane] = message.digest->data();
  kind_[lane] = static_cast<uint8_t>(kKinds[static_cast<size_t>(message.prefix)] |
                                     (message.rounds == Rounds::twice ? kTwice : 0));
}

/// Puts the messages into the arrays by falling block count, so that neighbours share a group and the
/// one that stays partly empty is the shortest. Returns how many go through lanes: those that are too
/// long for them are hashed at once.
unsigned LaneSha256::lay_out(std::span<const Message> messages) {
  unsigned first_bucket = kTooLong, last_bucket = 0;
  uint32_t least_total = UINT32_MAX, most_total = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    const uint64_t total = messages[i].total();
    const auto blocks = static_cast<unsigned>(std::min<uint64_t>(messages[i].blocks(), kTooLong));
    const unsigned bucket = total > kLongest ? kTooLong : kTooLong - blocks;
    bucket_[i] = static_cast<uint8_t>(bucket);
    first_bucket = std::min(first_bucket, bucket);
    last_bucket = std::max(last_bucket, bucket);
    least_total = std::min(least_total, static_cast<uint32_t>(total));
    most_total = std::max(most_total, static_cast<uint32_t>(total));
  }
  if (first_bucket == last_bucket) {
    for (unsigned i = 0; i < messages.size(); ++i) place(messages[i], i);
  } else {
    place_sorted(messages, first_bucket, last_bucket);
  }
  update_padding(least_total, most_total);
  if (last_bucket < kTooLong) return static_cast<unsigned>(messages.size());
  const auto too_long = [](const Message& message) { return message.total() > kLongest; };
  for (const Message& message : messages)
    if (too_long(message)) sha256_message(message);
  return static_cast<unsigned>(messages.size() -
                               static_cast<size_t>(std::ranges::count_if(messages, too_long)));
}

/// A counting sort by bucket; the messages that are too long come last.
void LaneSha256::place_sorted(std::span<const Message> messages, unsigned first_bucket,
                              unsigned last_bucket) {
  std::array<uint16_t, kTooLong + 1> next{};
  for (size_t i = 0; i < messages.size(); ++i) ++next[bucket_[i]];
  uint16_t below = 0;
  for (unsigned bucket = first_bucket; bucket <= last_bucket; ++bucket) {
    const uint16_t size = next[bucket];
    next[bucket] = below;
    below = static_cast<uint16_t>(below + size);
  }
  for (size_t i = 0; i < messages.size(); ++i) place(messages[i], next[bucket_[i]]++);
}

/// Where all messages of the window have one length that is a multiple of 64, their last block is
/// padding alone: its schedule is computed once for that length and kept.
void LaneSha256::update_padding(uint32_t least_total, uint32_t most_total) {
  padding_alone_ = least_total == most_total && least_total % 64 == 0;
  if (!padding_alone_ || padding_total_ == least_total) return;
  padding_total_ = least_total;
  std::array<uint32_t, 64> word{};
  word[0] = 0x80000000;
  word[15] = least_total * 8;
  for (unsigned t = 16; t < 64; ++t) {
    const uint32_t two = word[t - 2], fifteen = word[t - 15];
    word[t] = word[t - 16] + word[t - 7] + (std::rotr(two, 17) ^ std::rotr(two, 19) ^ two >> 10) +
              (std::rotr(fifteen, 7) ^ std::rotr(fifteen, 18) ^ fifteen >> 3);
  }
  for (unsigned t = 0; t < 64; ++t) padding_[t] = word[t] + kSha256Rounds[t];
}

/// The `count` messages from `first` on, the rest of the lanes idle.
LaneGroup LaneSha256::group_at(unsigned first, unsigned count, unsigned lanes) {
  for (unsigned lane = first + count; lane < first + lanes; ++lane) {
    total_[lane] = total_[first];
    start_[lane] = start_[first];
    kind_[lane] = kind_[first];
    digest_[lane] = nullptr;
  }
  return {.total = &total_[first],
          .start = &start_[first],
          .digest = &digest_[first],
          .kind = &kind_[first],
          .padding = padding_alone_ ? padding_.data() : nullptr};
}

void LaneSha256::run_one_by_one(const LaneGroup& group, unsigned count) {
  std::array<Message, kLanes> messages;
  for (unsigned lane = 0; lane < count; ++lane) {
    const uint8_t kind = group.kind[lane];
    const unsigned prefix = kind & kPrefixed;
    messages[lane] = {.data = group.start[lane] + prefix,
                      .digest = reinterpret_cast<Digest*>(group.digest[lane]),
                      .size = group.total[lane] - prefix,
                      .prefix = prefix == 0            ? Prefix::none
                                : (kind & kNodePrefix) ? Prefix::node
                                                       : Prefix::leaf,
                      .rounds = (kind & kTwice) != 0 ? Rounds::twice : Rounds::once};
  }
  if (kernels_.hash_few != nullptr) return kernels_.hash_few(messages.data(), count);
  for (const Message& message : std::span(messages).first(count)) sha256_message(message);
}

void LaneSha256::run(unsigned count) {
  for (unsigned done = 0; done < count;) {
    const unsigned lanes = lanes_for(count - done);
    const unsigned taken = std::min(count - done, lanes);
    const LaneGroup group = group_at(done, taken, lanes);
    if (lanes != kernels_.lanes) {
      kernels_.hash_two(group);
    } else if (taken >= kernels_.few_lanes) {
      kernels_.hash(group);
    } else {
      run_one_by_one(group, taken);
    }
    done += taken;
  }
}

void LaneSha256::hash_nodes(std::span<const Digest> children, std::span<Digest> parents) {
  // In place is safe: a kernel reads its children whole before it writes, and parents from the second
  // child on still end before the first child that is not read.
  for (size_t done = 0; done < parents.size();) {
    const size_t left = parents.size() - done;
    const unsigned lanes = lanes_for(left);
    const auto count = static_cast<unsigned>(std::min<size_t>(left, lanes));
    const uint8_t* from = children[2 * done].data();
    uint8_t* to = parents[done].data();
    if (lanes != kernels_.lanes) {
      kernels_.hash_two_nodes(from, to, count);
    } else if (count >= 2) {
      kernels_.hash_nodes(from, to, count);
    } else {
      parents[done] = sha256_node(children[2 * done], children[2 * done + 1]);
    }
    done += count;
  }
}

}  // namespace sluice::crypto
