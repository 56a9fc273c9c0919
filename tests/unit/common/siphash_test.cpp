// GCC 12 sees impossible lengths in what it inlines here at -O3.
#pragma GCC diagnostic ignored "-Wstringop-overflow"
#include "common/siphash.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <rapidcheck/gtest.h>

#include <numeric>
#include <vector>

namespace sluice {
namespace {

constexpr SipKey kKey{0x0706050403020100, 0x0f0e0d0c0b0a0908};

std::vector<uint8_t> counting(size_t size) {
  std::vector<uint8_t> result(size);
  std::iota(result.begin(), result.end(), uint8_t{0});
  return result;
}

uint64_t openssl_siphash(const SipKey& key, const std::vector<uint8_t>& data) {
  EVP_MAC* const mac = EVP_MAC_fetch(nullptr, "SIPHASH", nullptr);
  EVP_MAC_CTX* const context = EVP_MAC_CTX_new(mac);
  unsigned size = 8;
  const OSSL_PARAM parameters[] = {OSSL_PARAM_construct_uint("size", &size), OSSL_PARAM_construct_end()};
  uint8_t result[8] = {};
  size_t written = 0;
  EXPECT_EQ(EVP_MAC_init(context, reinterpret_cast<const uint8_t*>(&key), sizeof key, parameters), 1);
  EXPECT_EQ(EVP_MAC_update(context, data.data(), data.size()), 1);
  EXPECT_EQ(EVP_MAC_final(context, result, &written, sizeof result), 1);
  EXPECT_EQ(written, sizeof result);
  EVP_MAC_CTX_free(context);
  EVP_MAC_free(mac);
  return load<uint64_t>(result);
}

TEST(SipHash, GivesTheValueOfThePapersAppendix) {
  EXPECT_EQ(siphash24(kKey, counting(15).data(), 15), 0xa129ca6149be45e5u);
}

TEST(SipHash, GivesTheReferenceVectors) {
  // The first of the 64 that come with the authors' reference implementation.
  const uint64_t expected[] = {0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a,
                               0x85676696d7fb7e2d, 0xcf2794e0277187b7, 0x18765564cd99a68d,
                               0xcbc9466e58fee3ce, 0xab0200f58b01d137, 0x93f5f5799a932462};
  for (size_t size = 0; size < std::size(expected); ++size) {
    EXPECT_EQ(siphash24(kKey, counting(size).data(), size), expected[size]) << size;
  }
}

TEST(SipHash, AgreesWithOpenSslForEveryLength) {
  for (size_t size = 0; size < 64; ++size) {
    EXPECT_EQ(siphash24(kKey, counting(size).data(), size), openssl_siphash(kKey, counting(size))) << size;
  }
}

TEST(SipHash, OfFourAtOnceAgreesWithOpenSsl) {
  using Four [[gnu::vector_size(32)]] = uint64_t;
  const auto bytes = counting(4 * 16);  // two words each
  SipState<Four> state(kKey);
  for (size_t word = 0; word < 2; ++word) {
    const auto lane = [&](size_t number) { return load<uint64_t>(&bytes[16 * number + 8 * word]); };
    state.add(Four{lane(0), lane(1), lane(2), lane(3)});
  }
  state.add(Four{} + last_sip_word(0, 16));
  const Four hashes = state.finish();
  for (size_t number = 0; number < 4; ++number) {
    const auto at = bytes.begin() + static_cast<ptrdiff_t>(16 * number);
    EXPECT_EQ(hashes[number], openssl_siphash(kKey, {at, at + 16})) << number;
  }
}

RC_GTEST_PROP(SipHash, AgreesWithOpenSsl, (uint64_t k0, uint64_t k1, std::vector<uint8_t> data)) {
  RC_ASSERT(siphash24({k0, k1}, data.data(), data.size()) == openssl_siphash({k0, k1}, data));
}

}  // namespace
}  // namespace sluice
