#include "crypto/encoding.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>

#include "tests/unit/crypto/oracle.h"

namespace sluice::crypto {
namespace {

std::vector<uint8_t> bytes_of(std::string_view text) {
  return {text.begin(), text.end()};
}

TEST(Base64, KnowsTheExamplesOfRfc4648) {
  const std::pair<const char*, const char*> examples[] = {
      {"", ""}, {"f", "Zg=="}, {"fo", "Zm8="}, {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : examples) {
    EXPECT_EQ(to_base64(bytes_of(plain)), text);
    EXPECT_EQ(from_base64(text), bytes_of(plain));
  }
}

TEST(Base64, AgreesWithOpenSslOnEveryLength) {
  for (size_t size = 0; size < 300; ++size) {
    const auto bytes = oracle::random_bytes(size, static_cast<unsigned>(size));
    std::string text(size / 3 * 4 + 8, '\0');
    text.resize(static_cast<size_t>(
        EVP_EncodeBlock(reinterpret_cast<uint8_t*>(text.data()), bytes.data(), static_cast<int>(size))));
    EXPECT_EQ(to_base64(bytes), text);
    EXPECT_EQ(from_base64(text), bytes);
  }
}

TEST(Base64, TakesNoOtherSpelling) {
  for (const char* text : {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Zg==\n", "Z===", "====", "=Zg=", "Zg==Zg==",
                           "Zm9v=", "Zm-_", "Zm 9v", "Zm9v\xff\xff\xff\xff"})
    EXPECT_EQ(from_base64(text), std::nullopt) << text;
}

TEST(Hex, IsReadBackAndTakesNothingElse) {
  const std::vector<uint8_t> bytes = {0x00, 0x1f, 0xa0, 0xff};
  EXPECT_EQ(to_hex(bytes), "001fa0ff");
  EXPECT_EQ(from_hex("001fa0ff"), bytes);
  EXPECT_EQ(from_hex("001FA0FF"), bytes);
  EXPECT_EQ(from_hex(""), std::vector<uint8_t>{});
  for (const char* text : {"0", "0g", "g0", "001", " 0", "0x"}) EXPECT_EQ(from_hex(text), std::nullopt);
}

}  // namespace
}  // namespace sluice::crypto
