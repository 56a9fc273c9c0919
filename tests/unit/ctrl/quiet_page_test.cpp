#include "ctrl/http/quiet_page.h"

#include <gtest/gtest.h>

namespace sluice::ctrl {
namespace {

using std::chrono::milliseconds;

TEST(QuietPage, ReadsPoolAddressAndPort) {
  const auto read = parse_quiet_path("web/10.20.0.11/8080/quiet");
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((**read).key, (BackendKey{"web", *IpAddress::parse("10.20.0.11"), 8080}));
  EXPECT_FALSE((**read).until_gone);
  EXPECT_EQ((**read).timeout, milliseconds(30'000));
}

TEST(QuietPage, TakesAnIpv6AddressBareOrInEscapedBrackets) {
  for (const char* host : {"2001:db8::1", "%5B2001:db8::1%5D", "%5b2001%3Adb8%3a%3A1%5d"}) {
    const auto read = parse_quiet_path("web/" + std::string(host) + "/80/quiet");
    ASSERT_TRUE(read && *read) << host;
    EXPECT_EQ((**read).key.address, *IpAddress::parse("2001:db8::1")) << host;
  }
}

TEST(QuietPage, ReadsTheQuery) {
  const auto read = parse_quiet_path("a%2Fb/10.20.0.11/0/quiet?until=gone&timeout=250ms");
  ASSERT_TRUE(read && *read);
  EXPECT_EQ((**read).key.pool, "a/b");
  EXPECT_EQ((**read).key.port, 0);
  EXPECT_TRUE((**read).until_gone);
  EXPECT_EQ((**read).timeout, milliseconds(250));
}

TEST(QuietPage, IsNoOtherPage) {
  for (const char* path : {"", "quiet", "web/10.20.0.11/8080", "web/10.20.0.11/8080/loud",
                           "a/web/10.20.0.11/80/quiet", "web/10.20.0.11/8080/quiet/"}) {
    const auto read = parse_quiet_path(path);
    EXPECT_TRUE(read && !*read) << path;
  }
}

TEST(QuietPage, SaysWhatIsWrong) {
  for (const char* path : {"web/10.20.0/80/quiet", "web/10.20.0.11/65536/quiet", "web/10.20.0.11/x/quiet",
                           "web/10.20.0.11//quiet", "w%2/10.20.0.11/80/quiet", "w%zz/10.20.0.11/80/quiet",
                           "web/10.20.0.11/80/quiet?until=never", "web/10.20.0.11/80/quiet?timeout=soon",
                           "web/10.20.0.11/80/quiet?timeout", "web/10.20.0.11/80/quiet?what=1"}) {
    EXPECT_FALSE(parse_quiet_path(path)) << path;
  }
}

}  // namespace
}  // namespace sluice::ctrl
