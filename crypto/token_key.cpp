#include "crypto/token_key.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <vector>

namespace sluice::crypto {
namespace {

constexpr size_t kCoordinate = 32;
constexpr size_t kMostRsaBytes = 1024;  // 8192 bits: beyond that verifying takes milliseconds

template <typename Object, void (*Free)(Object*)>
struct Freed {
  void operator()(Object* object) const { Free(object); }
};
using Number = std::unique_ptr<BIGNUM, Freed<BIGNUM, BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD, OSSL_PARAM_BLD_free>>;
using Parameters = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM, OSSL_PARAM_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX, EVP_PKEY_CTX_free>>;
using DigestContext = std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX, EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG, ECDSA_SIG_free>>;

Number number_of(std::span<const uint8_t> bytes) {
  return Number(BN_bin2bn(bytes.data(), static_cast<int>(bytes.size()), nullptr));
}

detail::Key key_of(const char* type, OSSL_PARAM_BLD* builder) {
  const Parameters parameters(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1) {
    return nullptr;
  }
  return detail::Key(key);
}

/// The two numbers of a token's signature in the form that OpenSSL takes.
std::vector<uint8_t> der_of(std::span<const uint8_t> signature) {
  if (signature.size() != 2 * kCoordinate) return {};
  const Signature pair(ECDSA_SIG_new());
  Number r = number_of(signature.first(kCoordinate)), s = number_of(signature.last(kCoordinate));
  if (!pair || !r || !s || ECDSA_SIG_set0(pair.get(), r.get(), s.get()) != 1) return {};
  (void)r.release();
  (void)s.release();
  uint8_t* bytes = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &bytes);
  if (size <= 0) return {};
  std::vector<uint8_t> der(bytes, bytes + size);
  OPENSSL_free(bytes);
  return der;
}

}  // namespace

Result<TokenKey> TokenKey::rsa(std::span<const uint8_t> modulus, std::span<const uint8_t> exponent) {
  if (modulus.size() > kMostRsaBytes || exponent.empty() || exponent.size() > 4) {
    return fail("an RSA key of such a size is not taken");
  }
  const Number n = number_of(modulus), e = number_of(exponent);
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!n || !e || BN_num_bits(n.get()) < 2048) return fail("an RSA key of less than 2048 bits");
  if (!builder || OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return fail("no memory for a key");
  }
  auto key = key_of("RSA", builder.get());
  if (!key) return fail("OpenSSL refuses the RSA key");
  return TokenKey(Algorithm::kRs256, std::move(key));
}

Result<TokenKey> TokenKey::p256(std::span<const uint8_t> x, std::span<const uint8_t> y) {
  if (x.size() != kCoordinate || y.size() != kCoordinate) return fail("a coordinate has not 32 bytes");
  std::vector<uint8_t> point{POINT_CONVERSION_UNCOMPRESSED};
  point.insert(point.end(), x.begin(), x.end());
  point.insert(point.end(), y.begin(), y.end());
  const Builder builder(OSSL_PARAM_BLD_new());
  if (!builder ||
      OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, "P-256", 0) != 1 ||
      OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) !=
          1) {
    return fail("no memory for a key");
  }
  auto key = key_of("EC", builder.get());
  if (!key) return fail("OpenSSL refuses the point: it is not on the curve");
  return TokenKey(Algorithm::kEs256, std::move(key));
}

Result<TokenKey> TokenKey::ed25519(std::span<const uint8_t> x) {
  if (x.size() != kCoordinate) return fail("an Ed25519 key has not 32 bytes");
  detail::Key key(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, x.data(), x.size()));
  if (!key) return fail("OpenSSL refuses the Ed25519 key");
  return TokenKey(Algorithm::kEdDsa, std::move(key));
}

bool TokenKey::verify(std::span<const uint8_t> message, std::span<const uint8_t> signature) const {
  std::vector<uint8_t> der;
  if (algorithm_ == Algorithm::kEs256) {
    der = der_of(signature);
    if (der.empty()) return false;
    signature = der;
  }
  const EVP_MD* const digest = algorithm_ == Algorithm::kEdDsa ? nullptr : EVP_sha256();
  const DigestContext context(EVP_MD_CTX_new());
  return context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1 &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1;
}

}  // namespace sluice::crypto
