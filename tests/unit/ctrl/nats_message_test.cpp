// The protocol's own document (docs.nats.io, "Client Protocol") is the oracle here; a real server is that of
// tests/e2e/events_test.py.
#include "ctrl/wire/nats_message.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ctrl/telemetry/nats_publisher.h"

namespace sluice::ctrl::nats {
namespace {

using Kind = Message::Kind;

std::vector<Message> all_of(Reader& reader) {
  std::vector<Message> messages;
  for (auto next = reader.next(); next && *next; next = reader.next()) messages.push_back(**next);
  return messages;
}

TEST(NatsReader, ReadsWhatAServerSays) {
  Reader reader;
  reader.put(
      "INFO {\"server_id\":\"x\",\"max_payload\":1048576} \r\n+OK\r\nPING\r\nPONG\r\n"
      "-ERR 'Authorization Violation'\r\n");
  const auto messages = all_of(reader);
  ASSERT_EQ(messages.size(), 5u);
  EXPECT_EQ(messages[0].kind, Kind::kInfo);
  EXPECT_EQ(messages[0].text, "{\"server_id\":\"x\",\"max_payload\":1048576}");
  EXPECT_EQ(messages[1].kind, Kind::kOk);
  EXPECT_EQ(messages[2].kind, Kind::kPing);
  EXPECT_EQ(messages[3].kind, Kind::kPong);
  EXPECT_EQ(messages[4].kind, Kind::kError);
  EXPECT_EQ(messages[4].text, "Authorization Violation");
}

TEST(NatsReader, WordsAreOfEitherCaseAndComeByteByByte) {
  Reader reader;
  std::vector<Message> messages;
  for (const char byte : std::string("info\t{}\r\nPiNg\r\n")) {
    reader.put({&byte, 1});
    for (Message& message : all_of(reader)) messages.push_back(std::move(message));
  }
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].text, "{}");
  EXPECT_EQ(messages[1].kind, Kind::kPing);
}

TEST(NatsReader, RefusesWhatIsNoMessageToAPublisher) {
  for (const char* const text :
       {"MSG a 1 2\r\nhi\r\n", "HTTP/1.1 400 Bad Request\r\n", "\r\n", "PINGPONG\r\n"}) {
    Reader reader;
    reader.put(text);
    EXPECT_FALSE(reader.next()) << text;
  }
}

TEST(NatsReader, IsBounded) {
  Reader reader;
  reader.put("INFO " + std::string(Reader::kMostBytes, 'x'));
  EXPECT_FALSE(reader.next());
}

TEST(NatsInfo, HasWhatAPublisherNeeds) {
  const auto info = parse_info(R"({"max_payload": 1024, "tls_required": true, "ldm": true})");
  ASSERT_TRUE(info);
  EXPECT_EQ(info->most_payload, 1024u);
  EXPECT_TRUE(info->needs_tls);
  EXPECT_TRUE(info->is_leaving);
  const auto plain = parse_info("{}");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->most_payload, 1u << 20);
  EXPECT_FALSE(plain->needs_tls);
  EXPECT_FALSE(parse_info("[]"));
  EXPECT_FALSE(parse_info("{"));
}

TEST(NatsSaying, IsAsTheProtocolHasIt) {
  EXPECT_EQ(publication("a.b", "hello"), "PUB a.b 5\r\nhello\r\n");
  EXPECT_EQ(publication("a", ""), "PUB a 0\r\n\r\n");
  const std::string text = hello("sluice \"edge\"");
  ASSERT_TRUE(text.starts_with("CONNECT {") && text.ends_with("}\r\nPING\r\n"));
  const auto options = nlohmann::json::parse(text.substr(8, text.find("\r\n") - 8));
  EXPECT_EQ(options["verbose"], false);
  EXPECT_EQ(options["name"], "sluice \"edge\"");
}

TEST(NatsSubject, HasNoPlaceForWhatMeansSomethingElse) {
  EXPECT_EQ(token("edge.1*>a b\tc"), "edge_1__a_b_c");
  EXPECT_EQ(nats_subject("sluice.{gateway}.{kind}", "edge.1", EventKind::kBackendState),
            "sluice.edge_1.backend_state");
  EXPECT_EQ(nats_subject("all", "{kind}", EventKind::kCapture), "all");
  EXPECT_EQ(nats_subject("{kind}.{gateway}", "{kind}", EventKind::kCapture), "capture.{kind}");
}

}  // namespace
}  // namespace sluice::ctrl::nats
