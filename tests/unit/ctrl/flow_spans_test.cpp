#include "ctrl/telemetry/flow_spans.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace sluice::ctrl {
namespace {

using std::chrono::seconds;

class FlowSpan : public testing::Test {
 protected:
  FlowSpan() {
    record_.key = {*IpAddress::parse("2001:db8::7"),
                   *IpAddress::parse("2001:db8::10"),
                   Be16::from_host(40000),
                   Be16::from_host(443),
                   IpProtocol::kTcp,
                   {}};
    record_.counts = {7, 5, 700, 5000};
    record_.told = {2, 1, 200, 1000};
    record_.handshake_us = 1500;
    record_.end = lb::FlowEnd::kReset;
  }
  Span span() const {
    return span_of({record_, 10'000'000'000, 13'000'000'000, service_, pool_, backend_, 8080});
  }
  std::map<std::string_view, SpanValue> attributes() const {
    const Span told = span();
    return {told.attributes.begin(), told.attributes.end()};
  }

  lb::FlowRecord record_;
  const std::string service_ = "shop", pool_ = "web";
  const IpAddress backend_ = *IpAddress::parse("fd20::11");
};

TEST_F(FlowSpan, LastsFromTheFirstPacketToTheLast) {
  EXPECT_EQ(span().name, "flow");
  EXPECT_EQ(span().start.time_since_epoch(), seconds(10));
  EXPECT_EQ(span().end.time_since_epoch(), seconds(13));
  EXPECT_EQ(span().parent, SpanId{});
}

TEST_F(FlowSpan, SaysWhoWhereHowMuchAndHowItEnded) {
  const std::map<std::string_view, SpanValue> expected = {
      {"client.address", std::string("2001:db8::7")},
      {"client.port", int64_t{40000}},
      {"server.address", std::string("2001:db8::10")},
      {"server.port", int64_t{443}},
      {"network.transport", std::string("tcp")},
      {"sluice.service", std::string("shop")},
      {"sluice.pool", std::string("web")},
      {"sluice.backend", std::string("[fd20::11]:8080")},
      {"sluice.packets_in", int64_t{7}},
      {"sluice.packets_out", int64_t{5}},
      {"sluice.bytes_in", int64_t{700}},
      {"sluice.bytes_out", int64_t{5000}},
      {"sluice.end", std::string("rst")},
      {"sluice.handshake", 0.0015},
  };
  EXPECT_EQ(attributes(), expected);
}

TEST_F(FlowSpan, OfNoHandshakeSaysNothingOfOne) {
  record_.handshake_us = lb::FlowRecord::kNoHandshake;
  EXPECT_FALSE(attributes().contains("sluice.handshake"));
}

}  // namespace
}  // namespace sluice::ctrl
