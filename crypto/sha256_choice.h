// Which SHA-256 engine a gateway runs: a self-test refuses one that errs, a short trial finds the
// fastest. At start only, on the thread that asks; time is an argument.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "crypto/sha256.h"

namespace sluice::crypto {

/// A batch call as the self-test sees it.
struct Sha256Calls {
  std::function<void(std::span<const Message>)> hash;
  std::function<void(std::span<const Digest>, std::span<Digest>)> hash_nodes;
};

/// Compares an engine's calls with the published answers of FIPS 180-4 and with OpenSSL over lengths,
/// prefixes, double hashes, batch sizes and nodes that reach each of its ways. Takes milliseconds.
Result<void> self_test(const Sha256Calls& calls);

/// The same for a made engine; the error names it.
Result<void> self_test(Sha256& engine);

/// What a trial found out about one engine.
struct Sha256Trial {
  Sha256Engine engine{};
  std::string refused;                 ///< why it cannot be used; empty where it can
  double nanoseconds_per_message = 0;  ///< over 256-byte ids and leaves; 0 where refused or not timed
};

struct Sha256Choice {
  Sha256Engine engine{};
  std::array<Sha256Trial, kSha256Engines.size()> trials;  ///< one for each engine, for the log
};

/// A monotonic clock in nanoseconds.
using NanosecondClock = uint64_t (*)();

/// Chooses by the configuration's word: `auto` tries every engine and takes the fastest that passes, a
/// name takes that one or says why not. Takes some ten milliseconds.
Result<Sha256Choice> choose_sha256(std::string_view wish, NanosecondClock now);

}  // namespace sluice::crypto
