#include "crypto/sha256.h"

#include <string>

namespace sluice::crypto {

std::string_view name_of(Sha256Engine engine) {
  switch (engine) {
    case Sha256Engine::openssl:
      return "openssl";
    case Sha256Engine::ipsec_mb:
      return "ipsec-mb";
    case Sha256Engine::avx512:
      return "avx512";
  }
  __builtin_unreachable();
}

std::optional<Sha256Engine> sha256_engine_named(std::string_view name) {
  for (Sha256Engine engine : kSha256Engines)
    if (name == name_of(engine)) return engine;
  return std::nullopt;
}

Result<Sha256> Sha256::create(Sha256Engine engine) {
  switch (engine) {
    case Sha256Engine::openssl:
      return Sha256(OpenSslSha256{});
    case Sha256Engine::ipsec_mb:
      if (auto state = IpsecMbSha256::create()) return Sha256(std::move(*state));
      return fail("the SHA-256 engine ipsec-mb cannot run: the library does not start on this CPU");
    case Sha256Engine::avx512:
      if (auto state = LaneSha256::create()) return Sha256(std::move(*state));
      return fail("the SHA-256 engine avx512 cannot run: this CPU lacks AVX-512 F, BW or VL");
  }
  __builtin_unreachable();
}

}  // namespace sluice::crypto
