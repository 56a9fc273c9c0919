// RFC 6962, 2.1 as the text has it: recursion over vectors of leaf hashes, hashed by the oracle.
#pragma once

#include <span>
#include <vector>

#include "tests/unit/crypto/oracle.h"

namespace sluice::crypto::naive {

inline size_t split(size_t n) {
  size_t k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

inline Digest root(std::span<const Digest> d) {
  if (d.empty()) return oracle::hash(std::vector<uint8_t>{});
  if (d.size() == 1) return d[0];
  const size_t k = split(d.size());
  return oracle::node(root(d.first(k)), root(d.subspan(k)));
}

/// PATH(m, D[n])
inline std::vector<Digest> path(size_t m, std::span<const Digest> d) {
  if (d.size() == 1) return {};
  const size_t k = split(d.size());
  std::vector<Digest> proof = m < k ? path(m, d.first(k)) : path(m - k, d.subspan(k));
  proof.push_back(m < k ? root(d.subspan(k)) : root(d.first(k)));
  return proof;
}

/// SUBPROOF(m, D[n], b)
inline std::vector<Digest> subproof(size_t m, std::span<const Digest> d, bool complete) {
  if (m == d.size()) return complete ? std::vector<Digest>{} : std::vector<Digest>{root(d)};
  const size_t k = split(d.size());
  std::vector<Digest> proof =
      m <= k ? subproof(m, d.first(k), complete) : subproof(m - k, d.subspan(k), false);
  proof.push_back(m <= k ? root(d.subspan(k)) : root(d.first(k)));
  return proof;
}

}  // namespace sluice::crypto::naive
