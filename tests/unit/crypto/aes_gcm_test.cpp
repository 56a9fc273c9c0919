#include "crypto/aes_gcm.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "crypto/encoding.h"
#include "tests/support/vectors.h"
#include "tests/unit/crypto/oracle.h"

namespace sluice::crypto {
namespace {

using Json = nlohmann::json;
using Bytes = std::vector<uint8_t>;

Bytes hex(const std::string& text) {
  return *from_hex(text);
}

struct Case {
  Bytes key, nonce, associated, plain, sealed, tag;
};

const AesGcm& gcm() {
  static const AesGcm made = std::move(*AesGcm::create());
  return made;
}

using Nonce = uint8_t[kGcmNonceBytes];
const Nonce& nonce_of(const Bytes& bytes) {
  return *reinterpret_cast<const Nonce*>(bytes.data());
}

/// Whether the tag was right; then `bytes` are plain.
bool open(const Case& what, Bytes& bytes) {
  const AesGcmKey key(gcm(), what.key);
  bytes = what.sealed;
  return gcm().open(key, nonce_of(what.nonce), what.associated, bytes, what.tag.data());
}

void expect_both_ways(const Case& right) {
  const AesGcmKey key(gcm(), right.key);
  Bytes bytes = right.plain;
  Bytes tag(kGcmTagBytes);
  gcm().seal(key, nonce_of(right.nonce), right.associated, bytes, tag.data());
  EXPECT_EQ(bytes, right.sealed);
  EXPECT_EQ(tag, right.tag);
  EXPECT_TRUE(open(right, bytes));
  EXPECT_EQ(bytes, right.plain);
}

/// OpenSSL's.
Case sealed_by_openssl(size_t key_bytes, size_t plain_bytes, size_t associated_bytes, unsigned seed) {
  Case made{oracle::random_bytes(key_bytes, seed),
            oracle::random_bytes(kGcmNonceBytes, seed + 1),
            oracle::random_bytes(associated_bytes, seed + 2),
            oracle::random_bytes(plain_bytes, seed + 3),
            Bytes(plain_bytes),
            Bytes(kGcmTagBytes)};
  const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(EVP_CIPHER_CTX_new(),
                                                                                &EVP_CIPHER_CTX_free);
  int size = 0;
  EVP_EncryptInit_ex(context.get(), key_bytes == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm(), nullptr,
                     made.key.data(), made.nonce.data());
  EVP_EncryptUpdate(context.get(), nullptr, &size, made.associated.data(),
                    static_cast<int>(made.associated.size()));
  EVP_EncryptUpdate(context.get(), made.sealed.data(), &size, made.plain.data(),
                    static_cast<int>(made.plain.size()));
  EVP_EncryptFinal_ex(context.get(), made.sealed.data() + size, &size);
  EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kGcmTagBytes, made.tag.data());
  return made;
}

// The submission of GCM to NIST, appendix B: test cases 4 and 16.
TEST(AesGcm, SealsAndOpensItsAuthorsTestCases) {
  const std::string plain =
      "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525"
      "b16aedf5aa0de657ba637b39";
  const std::string key = "feffe9928665731c6d6a8f9467308308";
  const Bytes nonce = hex("cafebabefacedbaddecaf888");
  const Bytes associated = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
  expect_both_ways({hex(key), nonce, associated, hex(plain),
                    hex("42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8"
                        "f6a5aac84aa051ba30b396a0aac973d58e091"),
                    hex("5bc94fbc3221a5db94fae95ae7121a47")});
  expect_both_ways({hex(key + key), nonce, associated, hex(plain),
                    hex("522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b"
                        "08b1056828838c5f61e6393ba7a0abcc9f662"),
                    hex("76fc6ece0f4e1768cddf8853bb2d551b")});
}

TEST(AesGcm, AgreesWithOpenSslAtEveryLengthOfAPacket) {
  for (const size_t key_bytes : {16u, 32u}) {
    for (size_t size = 0; size <= 1600; size += size < 300 ? 1 : 13) {
      expect_both_ways(
          sealed_by_openssl(key_bytes, size, size % 2 == 0 ? 8 : 12, static_cast<unsigned>(size)));
    }
    expect_both_ways(sealed_by_openssl(key_bytes, 9200, 8, 1));
  }
}

TEST(AesGcm, RefusesEveryBitThatDiffers) {
  const Case right = sealed_by_openssl(16, 37, 8, 7);
  Bytes ignored;
  ASSERT_TRUE(open(right, ignored));
  const auto expect_refused = [&](Bytes Case::*part) {
    for (size_t bit = 0; bit < 8 * (right.*part).size(); ++bit) {
      Case wrong = right;
      (wrong.*part)[bit / 8] ^= static_cast<uint8_t>(1u << bit % 8);
      EXPECT_FALSE(open(wrong, ignored)) << bit;
    }
  };
  for (Bytes Case::*part : {&Case::sealed, &Case::tag, &Case::associated, &Case::nonce, &Case::key}) {
    expect_refused(part);
  }
}

TEST(AesGcm, EveryObjectUsesTheSameFormOfKeys) {
  const Case right = sealed_by_openssl(32, 100, 12, 3);
  const auto other = AesGcm::create();
  ASSERT_TRUE(other);
  const AesGcmKey key(*other, right.key);
  Bytes bytes = right.sealed;
  EXPECT_TRUE(gcm().open(key, nonce_of(right.nonce), right.associated, bytes, right.tag.data()));
  EXPECT_EQ(bytes, right.plain);
}

TEST(AesGcmKey, LeavesNothingOfItsKeyBehind) {
  const Bytes secret = oracle::random_bytes(16, 5);
  alignas(AesGcmKey) std::array<uint8_t, sizeof(AesGcmKey)> room{};
  auto* const key = new (room.data()) AesGcmKey(gcm(), secret);
  const volatile uint8_t* const at = room.data();
  const auto has_secret = [&] {
    for (size_t from = 0; from + 4 <= room.size(); ++from) {
      if (at[from] == secret[0] && at[from + 1] == secret[1] && at[from + 2] == secret[2] &&
          at[from + 3] == secret[3]) {
        return true;
      }
    }
    return false;
  };
  EXPECT_TRUE(has_secret());
  key->~AesGcmKey();
  EXPECT_FALSE(has_secret());
}

// Of the sizes that ESP has, which are by far the most of both suites.
TEST(AesGcm, JudgesWycheproofAsPublished) {
  SLUICE_NEEDS_VECTORS("wycheproof/aes_gcm_test.json");
  const Json suite =
      Json::parse(test::read_file(test::vectors_folder() / "wycheproof/aes_gcm_test.json"), nullptr, false);
  ASSERT_FALSE(suite.is_discarded());
  int judged = 0;
  for (const Json& group : suite["testGroups"]) {
    if (group["ivSize"] != 96 || group["tagSize"] != 128 || group["keySize"] == 192) continue;
    for (const Json& test_case : group["tests"]) {
      const auto part = [&](const char* name) { return hex(test_case[name].get<std::string>()); };
      const Case found{part("key"), part("iv"), part("aad"), part("msg"), part("ct"), part("tag")};
      Bytes bytes;
      const bool is_valid = test_case["result"] == "valid";
      EXPECT_EQ(open(found, bytes), is_valid) << test_case["tcId"] << test_case["comment"];
      if (is_valid) expect_both_ways(found);
      ++judged;
    }
  }
  EXPECT_GT(judged, 100);
}

/// The cases of one of NIST's response files (CAVS 14.0), of the sizes that ESP has.
std::vector<std::pair<Case, bool>> nist_cases(const std::filesystem::path& path) {
  std::vector<std::pair<Case, bool>> cases;
  std::map<std::string, std::string> settings, fields;
  bool fails = false;
  const auto finish = [&] {
    if (fields.contains("Key") && settings["[IVlen"] == "96]" && settings["[Taglen"] == "128]") {
      cases.push_back({{hex(fields["Key"]), hex(fields["IV"]), hex(fields["AAD"]), hex(fields["PT"]),
                        hex(fields["CT"]), hex(fields["Tag"])},
                       !fails});
    }
    fields.clear();
    fails = false;
  };
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    while (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.starts_with("Count") || line.starts_with("[")) finish();
    fails |= line == "FAIL";
    const size_t equals = line.find(" =");
    if (equals == std::string::npos) continue;
    const std::string value = line.size() > equals + 3 ? line.substr(equals + 3) : "";
    (line.starts_with("[") ? settings : fields)[line.substr(0, equals)] = value;
  }
  finish();
  return cases;
}

TEST(AesGcm, JudgesNistsResponseFilesAsPublished) {
  SLUICE_NEEDS_VECTORS("nist/gcmDecrypt128.rsp");
  for (const char* name :
       {"gcmEncryptExtIV128.rsp", "gcmEncryptExtIV256.rsp", "gcmDecrypt128.rsp", "gcmDecrypt256.rsp"}) {
    const auto cases = nist_cases(test::vectors_folder() / "nist" / name);
    EXPECT_GT(cases.size(), 300u) << name;
    for (const auto& [found, is_valid] : cases) {
      Bytes bytes;
      EXPECT_EQ(open(found, bytes), is_valid) << name << " " << to_hex(found.key);
      if (is_valid) expect_both_ways(found);
    }
  }
}

}  // namespace
}  // namespace sluice::crypto
