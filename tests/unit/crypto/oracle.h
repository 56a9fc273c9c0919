// SHA-256 by a way that no engine shares: OpenSSL's EVP over a copy with the prefix in front.
#pragma once

#include <openssl/evp.h>

#include <random>
#include <vector>

#include "crypto/sha256_message.h"

namespace sluice::crypto::oracle {

inline Digest hash(const std::vector<uint8_t>& bytes) {
  Digest digest;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr);
  return digest;
}

inline Digest hash(const Message& message) {
  std::vector<uint8_t> bytes;
  if (message.prefix == Prefix::leaf) bytes.push_back(0);
  if (message.prefix == Prefix::node) bytes.push_back(1);
  if (message.size != 0) bytes.insert(bytes.end(), message.data, message.data + message.size);
  const Digest once = hash(bytes);
  return message.rounds == Rounds::once ? once : hash(std::vector(once.begin(), once.end()));
}

inline Digest node(const Digest& left, const Digest& right) {
  std::vector<uint8_t> bytes = {1};
  bytes.insert(bytes.end(), left.begin(), left.end());
  bytes.insert(bytes.end(), right.begin(), right.end());
  return hash(bytes);
}

inline std::vector<uint8_t> random_bytes(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<uint8_t> bytes(size);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
  return bytes;
}

inline std::vector<Digest> random_digests(size_t count, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<Digest> digests(count);
  for (Digest& digest : digests)
    for (uint8_t& byte : digest) byte = static_cast<uint8_t>(random());
  return digests;
}

}  // namespace sluice::crypto::oracle
