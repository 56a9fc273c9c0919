#define OPENSSL_SUPPRESS_DEPRECATED  // EVP costs 45 ns and more a message over these calls
#include "crypto/sha256_openssl.h"

#include <openssl/sha.h>

#include <algorithm>
#include <new>

namespace sluice::crypto {
namespace {

Digest finish(SHA256_CTX& context) {
  Digest digest;
  SHA256_Final(digest.data(), &context);
  return digest;
}

Digest with_prefix(Prefix prefix, std::span<const uint8_t> data) {
  SHA256_CTX context;
  const uint8_t first = prefix_byte(prefix);
  SHA256_Init(&context);
  SHA256_Update(&context, &first, 1);
  SHA256_Update(&context, data.data(), data.size());
  return finish(context);
}

}  // namespace

Digest sha256(std::span<const uint8_t> data) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, data.data(), data.size());
  return finish(context);
}

Digest sha256_leaf(std::span<const uint8_t> entry) {
  return with_prefix(Prefix::leaf, entry);
}

Digest sha256_node(const Digest& left, const Digest& right) {
  std::array<uint8_t, 65> message;
  message[0] = prefix_byte(Prefix::node);
  std::copy(left.begin(), left.end(), message.begin() + 1);
  std::copy(right.begin(), right.end(), message.begin() + 33);
  return sha256(message);
}

void sha256_message(const Message& message) {
  const std::span data(message.data, message.size);
  Digest digest = message.prefix == Prefix::none ? sha256(data) : with_prefix(message.prefix, data);
  if (message.rounds == Rounds::twice) digest = sha256(digest);
  *message.digest = digest;
}

Sha256Stream::Sha256Stream() {
  static_assert(sizeof(SHA256_CTX) <= sizeof(context_));
  SHA256_Init(new (context_.data()) SHA256_CTX);
}

void Sha256Stream::update(std::span<const uint8_t> data) {
  SHA256_Update(reinterpret_cast<SHA256_CTX*>(context_.data()), data.data(), data.size());
}

Digest Sha256Stream::finish() {
  auto& context = *reinterpret_cast<SHA256_CTX*>(context_.data());
  const Digest digest = crypto::finish(context);
  SHA256_Init(&context);
  return digest;
}

void OpenSslSha256::hash(std::span<const Message> messages) {
  for (const Message& message : messages) sha256_message(message);
}

void OpenSslSha256::hash_nodes(std::span<const Digest> children, std::span<Digest> parents) {
  for (size_t i = 0; i < parents.size(); ++i) parents[i] = sha256_node(children[2 * i], children[2 * i + 1]);
}

}  // namespace sluice::crypto
