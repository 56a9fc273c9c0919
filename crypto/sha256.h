// SHA-256 of many messages at once, whichever engine does it. One object per thread: it owns its
// scratch, and nothing is allocated after it is made.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include "common/check.h"
#include "common/result.h"
#include "crypto/sha256_ipsec_mb.h"
#include "crypto/sha256_lanes.h"
#include "crypto/sha256_message.h"
#include "crypto/sha256_openssl.h"
#include "crypto/sha256_shani.h"

namespace sluice::crypto {

/// The engines there are, the most general first.
enum class Sha256Engine : uint8_t { openssl, ipsec_mb, avx2, sha_ni, avx512 };
inline constexpr std::array kSha256Engines = {Sha256Engine::openssl, Sha256Engine::ipsec_mb,
                                              Sha256Engine::avx2, Sha256Engine::sha_ni, Sha256Engine::avx512};

/// The name in the configuration, the log, `system.info` and the metrics.
std::string_view name_of(Sha256Engine engine);

/// The engine of that name; nothing for `auto` and for a name that no engine has.
std::optional<Sha256Engine> sha256_engine_named(std::string_view name);

class Sha256 {
 public:
  /// Makes an engine for the calling thread. Allocates. Fails where this machine cannot run it.
  static Result<Sha256> create(Sha256Engine engine);

  Sha256Engine engine() const { return engine_; }
  std::string_view name() const { return name_of(engine()); }

  /// How many messages a call of hash() needs for the best throughput.
  size_t batch() const {
    return std::visit([](const auto& state) { return state.kBatch; }, state_);
  }

  /// Hashes every message, in any number, into its `digest`; all are written on return. Throughput
  /// is best from batch() on.
  void hash(std::span<const Message> messages) {
    std::visit([&](auto& state) { state.hash(messages); }, state_);
  }

  /// Merkle nodes (RFC 6962, 2.1): parents[i] = SHA-256(0x01 | children[2i] | children[2i + 1]).
  /// `children` holds at least twice as many. For a level in place `parents` may begin at the first or
  /// the second of the children.
  void hash_nodes(std::span<const Digest> children, std::span<Digest> parents) {
    check(children.size() >= 2 * parents.size(), "a node has two children");
    std::visit([&](auto& state) { state.hash_nodes(children, parents); }, state_);
  }

 private:
  using State = std::variant<OpenSslSha256, IpsecMbSha256, ShaNiSha256, LaneSha256>;

  Sha256(Sha256Engine engine, State state) : engine_(engine), state_(std::move(state)) {}

  Sha256Engine engine_;
  State state_;
};

}  // namespace sluice::crypto
