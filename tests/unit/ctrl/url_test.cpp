#include "ctrl/wire/url.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

constexpr UrlDefaults kDefaults{.port = 8500, .tls_port = 8501};

TEST(ServerUrl, ReadsEveryForm) {
  struct Case {
    const char* text;
    bool is_tls;
    const char *host, *authority, *path;
  };
  for (const Case& one : {
           Case{"http://127.0.0.1:2379", false, "127.0.0.1", "127.0.0.1:2379", ""},
           Case{"http://127.0.0.1:2379/", false, "127.0.0.1", "127.0.0.1:2379", ""},
           Case{"https://consul.example.test/base/path/", true, "consul.example.test",
                "consul.example.test:8501", "/base/path"},
           Case{"10.0.0.1", false, "10.0.0.1", "10.0.0.1:8500", ""},
           Case{"zk-1:2181", false, "zk-1", "zk-1:2181", ""},
           Case{"https://[2001:db8::1]:6443", true, "2001:db8::1", "[2001:db8::1]:6443", ""},
           Case{"[::1]", false, "::1", "[::1]:8500", ""},
       }) {
    const auto url = parse_server_url(one.text, kDefaults);
    ASSERT_TRUE(url) << one.text;
    EXPECT_EQ(url->is_tls, one.is_tls) << one.text;
    EXPECT_EQ(url->host, one.host);
    EXPECT_EQ(url->authority(), one.authority);
    EXPECT_EQ(url->path, one.path);
  }
}

TEST(ServerUrl, RefusesTheRest) {
  for (const char* text :
       {"", "http://", "ftp://x", "http://user:secret@host", "host:0", "host:65536", "host:x", "host:80:90",
        "[::1", "[::1]x", "http://a b", "http://a/b?c", "http://a\r\nX: y"}) {
    const auto url = parse_server_url(text, kDefaults);
    EXPECT_FALSE(url) << text;
    if (url) continue;
    EXPECT_EQ(url.error().message.find("secret"), std::string::npos);
  }
}

TEST(ServerUrl, EncodesWhatIsNotUnreserved) {
  EXPECT_EQ(percent_encoded("web-1_a.b~"), "web-1_a.b~");
  EXPECT_EQ(percent_encoded("a/b c&d=\xff"), "a%2Fb%20c%26d%3D%FF");
}

}  // namespace
}  // namespace sluice::ctrl
