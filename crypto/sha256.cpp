#include "crypto/sha256.h"

#include <string>

#include "common/check.h"

namespace sluice::crypto {

std::string_view name_of(Sha256Engine engine) {
  switch (engine) {
    case Sha256Engine::openssl:
      return "openssl";
    case Sha256Engine::ipsec_mb:
      return "ipsec-mb";
    case Sha256Engine::avx2:
      return "avx2";
    case Sha256Engine::sha_ni:
      return "sha-ni";
    case Sha256Engine::avx512:
      return "avx512";
  }
  end_broken("a SHA-256 engine is one of kSha256Engines");
}

std::optional<Sha256Engine> sha256_engine_named(std::string_view name) {
  for (Sha256Engine engine : kSha256Engines)
    if (name == name_of(engine)) return engine;
  return std::nullopt;
}

Result<Sha256> Sha256::create(Sha256Engine engine) {
  switch (engine) {
    case Sha256Engine::openssl:
      return Sha256(engine, OpenSslSha256{});
    case Sha256Engine::ipsec_mb:
      if (auto state = IpsecMbSha256::create()) return Sha256(engine, std::move(*state));
      return fail("the SHA-256 engine ipsec-mb cannot run: the library does not start on this CPU");
    case Sha256Engine::avx2:
      if (const auto kernels = avx2_kernels()) return Sha256(engine, LaneSha256(*kernels));
      return fail("the SHA-256 engine avx2 cannot run: this CPU lacks AVX2");
    case Sha256Engine::sha_ni:
      if (const auto state = ShaNiSha256::create()) return Sha256(engine, *state);
      return fail("the SHA-256 engine sha-ni cannot run: this CPU lacks the SHA extensions");
    case Sha256Engine::avx512:
      if (const auto kernels = avx512_kernels()) return Sha256(engine, LaneSha256(*kernels));
      return fail("the SHA-256 engine avx512 cannot run: this CPU lacks AVX-512 F, BW or VL");
  }
  end_broken("a SHA-256 engine is one of kSha256Engines");
}

}  // namespace sluice::crypto
