// Apart from the kernel: that file is compiled for instructions that this CPU may lack.
#include <cpuid.h>

#include "crypto/sha256_shani.h"

namespace sluice::crypto {

/// CPUID leaf 7, EBX bit 29; GCC 12 has no name for it. AVX is asked for as well, since the kernel's other
/// instructions are compiled for it; that includes whether the operating system saves its registers.
bool has_sha_ni() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b >> 29 & 1) != 0 && __builtin_cpu_supports("avx");
}

std::optional<ShaNiSha256> ShaNiSha256::create() {
  if (!has_sha_ni()) return std::nullopt;
  return ShaNiSha256();
}

}  // namespace sluice::crypto
