#include "crypto/sha256_choice.h"

#include <algorithm>
#include <vector>

namespace sluice::crypto {
namespace {

struct KnownAnswer {
  std::string_view message;
  Digest digest;
};

// FIPS 180-4's own examples, and the empty message.
constexpr std::array kKnownAnswers = {
    KnownAnswer{
        "", {0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24,
             0x27, 0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55}},
    KnownAnswer{"abc", {0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40,
                        0xde, 0x5d, 0xae, 0x22, 0x23, 0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17,
                        0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad}},
    KnownAnswer{
        "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
        {0x24, 0x8d, 0x6a, 0x61, 0xd2, 0x06, 0x38, 0xb8, 0xe5, 0xc0, 0x26, 0x93, 0x0c, 0x3e, 0x60, 0x39,
         0xa3, 0x3c, 0xe4, 0x59, 0x64, 0xff, 0x21, 0x67, 0xf6, 0xec, 0xed, 0xd4, 0x19, 0xdb, 0x06, 0xc1}},
};

constexpr size_t kTrialMessages = 256;
constexpr size_t kTrialBurst = 64;  // divides them
constexpr uint32_t kTrialBytes = 256;

/// Bytes without a pattern that a transposed or shifted word could hide behind.
std::vector<uint8_t> mixed_bytes(size_t size) {
  std::vector<uint8_t> bytes(size);
  uint64_t state = 0x9e3779b97f4a7c15;
  for (uint8_t& byte : bytes) {
    state = state * 6364136223846793005 + 1442695040888963407;
    byte = static_cast<uint8_t>(state >> 56);
  }
  return bytes;
}

bool answers_right(const Sha256Calls& calls) {
  for (const KnownAnswer& known : kKnownAnswers) {
    std::array<Digest, kMostLanes> digests{};  // fills every lane
    std::array<Message, kMostLanes> messages;
    for (size_t i = 0; i < messages.size(); ++i)
      messages[i] = {.data = reinterpret_cast<const uint8_t*>(known.message.data()),
                     .digest = &digests[i],
                     .size = static_cast<uint32_t>(known.message.size())};
    calls.hash(messages);
    if (std::ranges::count(digests, known.digest) != kMostLanes) return false;
  }
  return true;
}

/// `count` messages, each `step` bytes longer than the one before, either of all kinds in turn or all
/// plain, which engines may hash by a shorter way.
enum class Kinds { all, plain };
bool hashes_like_openssl(const Sha256Calls& calls, Kinds kinds, size_t count, uint32_t first_size,
                         uint32_t step) {
  const std::vector<uint8_t> bytes = mixed_bytes(first_size + count * (step + 1) + 64);
  std::vector<Digest> digests(count), expected(count);
  std::vector<Message> messages(count);
  for (size_t i = 0; i < count; ++i) {
    messages[i] = {.data = bytes.data() + i,
                   .digest = &digests[i],
                   .size = first_size + static_cast<uint32_t>(i) * step,
                   .prefix = kinds == Kinds::plain ? Prefix::none : static_cast<Prefix>(i % 3),
                   .rounds = kinds == Kinds::plain ? Rounds::once : static_cast<Rounds>(i / 3 % 2)};
    Message twin = messages[i];
    twin.digest = &expected[i];
    sha256_message(twin);
  }
  calls.hash(messages);
  return digests == expected;
}

bool nodes_like_openssl(const Sha256Calls& calls, size_t count) {
  const std::vector<uint8_t> bytes = mixed_bytes(count * 64);
  std::vector<Digest> nodes(2 * count), expected(count);
  for (size_t i = 0; i < nodes.size(); ++i)
    std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(i * 32), 32, nodes[i].begin());
  for (size_t i = 0; i < count; ++i) expected[i] = sha256_node(nodes[2 * i], nodes[2 * i + 1]);
  calls.hash_nodes(nodes, std::span(nodes).first(count));
  return std::equal(expected.begin(), expected.end(), nodes.begin());
}

/// ", openssl, ..."
std::string all_names() {
  std::string names;
  for (const Sha256Engine engine : kSha256Engines) names += ", " + std::string(name_of(engine));
  return names;
}

/// Best of several short runs over what opaque transactions cost: their ids and their leaves, in calls of as
/// many as a hash worker has at once under load.
double time_engine(Sha256& engine, NanosecondClock now) {
  constexpr int kRuns = 8;
  const std::vector<uint8_t> bytes = mixed_bytes(kTrialMessages * kTrialBytes);
  std::vector<Digest> digests(2 * kTrialMessages);
  std::vector<Message> messages(2 * kTrialMessages);
  for (size_t i = 0; i < messages.size(); ++i)
    messages[i] = {.data = bytes.data() + i % kTrialMessages * kTrialBytes,
                   .digest = &digests[i],
                   .size = kTrialBytes,
                   .prefix = i < kTrialMessages ? Prefix::none : Prefix::leaf};
  uint64_t best = UINT64_MAX;
  for (int run = 0; run < kRuns; ++run) {
    const uint64_t start = now();
    for (size_t first = 0; first < messages.size(); first += kTrialBurst)
      engine.hash(std::span(messages).subspan(first, kTrialBurst));
    best = std::min(best, now() - start);
  }
  return static_cast<double>(best) / static_cast<double>(messages.size());
}

Sha256Trial try_engine(Sha256Engine kind, NanosecondClock now) {
  Sha256Trial trial{.engine = kind, .refused = {}};
  Result<Sha256> engine = Sha256::create(kind);
  if (!engine) {
    trial.refused = engine.error().message;
  } else if (const Result<void> tested = self_test(*engine); !tested) {
    trial.refused = tested.error().message;
  } else {
    trial.nanoseconds_per_message = time_engine(*engine, now);
  }
  return trial;
}

}  // namespace

Result<void> self_test(const Sha256Calls& calls) {
  if (!answers_right(calls)) return fail("wrong digest of a published example");
  for (uint32_t size = 0; size <= 192; ++size)
    if (!hashes_like_openssl(calls, Kinds::all, 17, size, 0) ||
        !hashes_like_openssl(calls, Kinds::plain, 33, size, 0))
      return fail("wrong digest of a " + std::to_string(size) + "-byte message");
  for (size_t count : {1, 2, 9, 16, 33, 100, 257})
    if (!hashes_like_openssl(calls, Kinds::all, count, 0, 13))
      return fail("wrong digest in a batch of " + std::to_string(count) + " different lengths");
  for (size_t count : {1, 2, 15, 16, 17, 31, 32, 33, 128})
    if (!nodes_like_openssl(calls, count))
      return fail("wrong digest in a level of " + std::to_string(count) + " Merkle nodes");
  return {};
}

Result<void> self_test(Sha256& engine) {
  const Sha256Calls calls = {
      .hash = [&](std::span<const Message> messages) { engine.hash(messages); },
      .hash_nodes = [&](std::span<const Digest> children,
                        std::span<Digest> parents) { engine.hash_nodes(children, parents); }};
  if (const Result<void> tested = self_test(calls); !tested)
    return fail("the SHA-256 engine " + std::string(engine.name()) +
                " fails its self-test: " + tested.error().message);
  return {};
}

Result<Sha256Choice> choose_sha256(std::string_view wish, NanosecondClock now) {
  const std::optional<Sha256Engine> forced = sha256_engine_named(wish);
  if (!forced && wish != "auto")
    return fail("no SHA-256 engine is named '" + std::string(wish) + "': choose auto" + all_names());
  Sha256Choice choice;
  const Sha256Trial* best = nullptr;
  for (size_t i = 0; i < kSha256Engines.size(); ++i) {
    Sha256Trial& trial = choice.trials[i];
    if (forced && *forced != kSha256Engines[i]) {
      trial = {.engine = kSha256Engines[i], .refused = "the configuration forces another engine"};
      continue;
    }
    trial = try_engine(kSha256Engines[i], now);
    if (!trial.refused.empty()) continue;
    if (best == nullptr || trial.nanoseconds_per_message < best->nanoseconds_per_message) best = &trial;
  }
  if (best == nullptr) {
    const size_t at = forced ? static_cast<size_t>(*forced) : 0;
    return fail(choice.trials[at].refused);
  }
  choice.engine = best->engine;
  return choice;
}

}  // namespace sluice::crypto
