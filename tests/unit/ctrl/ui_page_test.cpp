#include "ctrl/http/ui_page.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>
#include <span>

#include "crypto/encoding.h"
#include "crypto/sha256_openssl.h"
#include "ctrl/http/gzip.h"

namespace sluice::ctrl {
namespace {

/// What zlib reads out of it.
std::string unpacked(std::string packed, size_t most) {
  z_stream stream{};
  EXPECT_EQ(inflateInit2(&stream, MAX_WBITS + 16), Z_OK);
  std::string text(most, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = reinterpret_cast<Bytef*>(text.data());
  stream.avail_out = static_cast<uInt>(text.size());
  EXPECT_EQ(inflate(&stream, Z_FINISH), Z_STREAM_END);
  text.resize(stream.total_out);
  inflateEnd(&stream);
  return text;
}

std::string field(const HttpAnswer& answer, std::string_view name) {
  const auto found = std::ranges::find(answer.fields, name, &HttpField::name);
  return found == answer.fields.end() ? "" : found->value;
}

std::string between(const std::string& text, const std::string& begin, const std::string& end) {
  const size_t from = text.find(begin) + begin.size();
  return text.substr(from, text.find(end, from) - from);
}

/// As the policy names what may run: CSP Level 3, 2.3.1.
std::string hash_source(const std::string& text) {
  const auto bytes = std::span(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  return "'sha256-" + crypto::to_base64(crypto::sha256(bytes)) + "'";
}

TEST(UiPage, IsOneFileThatAsksNobodyElse) {
  const HttpAnswer page = ui_page();
  EXPECT_EQ(page.status, 200u);
  EXPECT_EQ(page.content_type, "text/html; charset=utf-8");
  EXPECT_TRUE(page.body.starts_with("<!doctype html>"));
  for (const char* elsewhere : {"src=\"http", "href=\"http", "url(http", "@import", "src=\"//"}) {
    EXPECT_EQ(page.body.find(elsewhere), std::string::npos) << elsewhere;
  }
  EXPECT_EQ(page.body.find("innerHTML"), std::string::npos);  // names are text, never markup
}

TEST(UiPage, ItsPolicyLetsItsOwnScriptAndStyleRunAndNothingElse) {
  const HttpAnswer page = ui_page();
  const std::string policy = field(page, "Content-Security-Policy");
  EXPECT_TRUE(policy.starts_with("default-src 'none'; "));
  EXPECT_NE(policy.find("script-src " +
                        hash_source(between(page.body, "<script type=\"module\">", "</script>")) + ";"),
            std::string::npos);
  EXPECT_NE(policy.find("style-src " + hash_source(between(page.body, "<style>", "</style>")) + ";"),
            std::string::npos);
  EXPECT_NE(policy.find("connect-src 'self';"), std::string::npos);
  EXPECT_NE(policy.find("frame-ancestors 'none'"), std::string::npos);
  EXPECT_EQ(policy.find("unsafe"), std::string::npos);
}

TEST(UiPage, IsSmallAndTheSameCompressed) {
  const HttpAnswer page = ui_page();
  EXPECT_LT(page.gzip_body.size(), 150u * 1024);
  EXPECT_EQ(unpacked(page.gzip_body, page.body.size() + 1), page.body);
}

TEST(Gzip, IsReadBackTheSame) {
  std::string noise(100'000, '\0');
  uint32_t state = 1;
  for (char& byte : noise) byte = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  for (const std::string& text : {std::string(), std::string("a"), std::string(1 << 20, 'x'), noise}) {
    EXPECT_EQ(unpacked(gzip(text), text.size() + 1), text) << text.size();
  }
}

}  // namespace
}  // namespace sluice::ctrl
