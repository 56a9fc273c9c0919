#include "crypto/signature.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "crypto/encoding.h"
#include "tests/support/vectors.h"

namespace sluice::crypto {
namespace {

using Json = nlohmann::json;

std::vector<uint8_t> hex(const std::string& text) {
  return *from_hex(text);
}

std::array<uint8_t, 32> hex32(const std::string& text) {
  std::array<uint8_t, 32> bytes{};
  std::ranges::copy(hex(text), bytes.begin());
  return bytes;
}

Result<Ed25519PublicKey> public_key(const std::string& text) {
  return Ed25519PublicKey::from_bytes(hex32(text));
}

struct Rfc8032Case {
  const char *seed, *key, *message, *signature;
};

// RFC 8032, 7.1, TEST 1 to 3.
constexpr Rfc8032Case kRfc8032[] = {
    {"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
     "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a", "",
     "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
     "d25bf5f0595bbe24655141438e7a100b"},
    {"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
     "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c", "72",
     "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
     "387b2eaeb4302aeeb00d291612bb0c00"},
    {"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025", "af82",
     "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
     "4a7c15e9716ed28dc027beceea1ec40a"},
};

TEST(Ed25519, SignsAndVerifiesAsRfc8032Has) {
  for (const Rfc8032Case& known : kRfc8032) {
    const auto key = Ed25519PrivateKey::from_seed(Ed25519Seed(hex32(known.seed)));
    ASSERT_TRUE(key);
    EXPECT_EQ(to_hex(key->public_bytes()), known.key);
    EXPECT_EQ(to_hex(key->seed().reveal()), known.seed);
    const auto signature = key->sign(hex(known.message));
    ASSERT_TRUE(signature);
    EXPECT_EQ(to_hex(*signature), known.signature);
    EXPECT_TRUE(public_key(known.key)->verify(hex(known.message), *signature));
    EXPECT_FALSE(public_key(known.key)->verify(hex("00"), *signature));
  }
}

TEST(Ed25519, GeneratesKeysThatDiffer) {
  const auto one = Ed25519PrivateKey::generate(), other = Ed25519PrivateKey::generate();
  ASSERT_TRUE(one && other);
  EXPECT_NE(one->public_bytes(), other->public_bytes());
  const std::vector<uint8_t> message = {1, 2, 3};
  const auto signature = one->sign(message);
  EXPECT_TRUE(Ed25519PublicKey::from_bytes(one->public_bytes())->verify(message, *signature));
  EXPECT_FALSE(Ed25519PublicKey::from_bytes(other->public_bytes())->verify(message, *signature));
}

TEST(Ed25519, JudgesWycheproofAsPublished) {
  SLUICE_NEEDS_VECTORS("wycheproof");
  const Json suite =
      Json::parse(test::read_file(test::vectors_folder() / "wycheproof/ed25519_test.json"), nullptr, false);
  ASSERT_FALSE(suite.is_discarded());
  int count = 0;
  for (const Json& group : suite["testGroups"]) {
    const auto key = public_key(group["publicKey"]["pk"].get<std::string>());
    ASSERT_TRUE(key);
    for (const Json& test_case : group["tests"]) {
      const bool verified =
          key->verify(hex(test_case["msg"].get<std::string>()), hex(test_case["sig"].get<std::string>()));
      EXPECT_EQ(verified, test_case["result"] == "valid") << test_case["tcId"] << test_case["comment"];
      ++count;
    }
  }
  EXPECT_EQ(count, suite["numberOfTests"].get<int>());
}

}  // namespace
}  // namespace sluice::crypto
