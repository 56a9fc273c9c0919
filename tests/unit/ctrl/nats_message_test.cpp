// The protocol's own document (docs.nats.io, "Client Protocol") is the oracle here; a real server is that of
// tests/e2e/events_test.py.
#include "ctrl/wire/nats_message.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "ctrl/telemetry/nats_publisher.h"
#include "ctrl/wire/nkey.h"

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
  const std::string text = hello({.name = "sluice \"edge\"", .user = {}, .password = {}, .token = {}});
  ASSERT_TRUE(text.starts_with("CONNECT {") && text.ends_with("}\r\nPING\r\n"));
  const auto options = nlohmann::json::parse(text.substr(8, text.find("\r\n") - 8));
  EXPECT_EQ(options["verbose"], false);
  EXPECT_EQ(options["name"], "sluice \"edge\"");
  EXPECT_EQ(options["tls_required"], false);
  for (const char* const unsaid : {"user", "pass", "auth_token", "nkey", "sig"})
    EXPECT_FALSE(options.contains(unsaid));
}

TEST(NatsSaying, HasWhatAServerKnowsTheClientBy) {
  const auto said = [](const Hello& client) {
    const std::string text = hello(client);
    return nlohmann::json::parse(text.substr(8, text.find("\r\n") - 8));
  };
  const auto user =
      said({.name = "x", .is_secure = true, .user = "edge", .password = "a \"b\"", .token = {}});
  EXPECT_EQ(user["tls_required"], true);
  EXPECT_EQ(user["user"], "edge");
  EXPECT_EQ(user["pass"], "a \"b\"");
  EXPECT_EQ(said({.name = "x", .user = {}, .password = {}, .token = "t"})["auth_token"], "t");
}

TEST(NatsInfo, SaysWhetherThereIsTlsAndWhatIsToBeSigned) {
  const auto info = parse_info(R"({"tls_available":true,"nonce":"abc","auth_required":true})");
  ASSERT_TRUE(info);
  EXPECT_TRUE(info->has_tls);
  EXPECT_FALSE(info->needs_tls);
  EXPECT_EQ(info->nonce, "abc");
  EXPECT_TRUE(parse_info(R"({"tls_required":true})")->has_tls);
  EXPECT_FALSE(parse_info(R"({"nonce":1})")->has_tls);
}

TEST(NatsReader, KnowsWhetherMoreHasCome) {
  Reader reader;
  reader.put("INFO {}\r\n");
  ASSERT_TRUE(reader.next());
  EXPECT_FALSE(reader.has_unread());
  reader.put("PING\r\nPI");
  ASSERT_TRUE(reader.next());
  EXPECT_TRUE(reader.has_unread());
}

// The example of NATS' own documentation ("Authenticating with an NKey"); the signature is by python's
// cryptography.
TEST(Nkey, IsReadShownAndSignedWith) {
  constexpr std::string_view kSeed = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
  const auto key = read_user_seed(kSeed);
  ASSERT_TRUE(key);
  EXPECT_EQ(user_text(key->public_bytes()), "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4");
  const std::string_view nonce = "nonce";
  const auto signature = key->sign({reinterpret_cast<const uint8_t*>(nonce.data()), nonce.size()});
  ASSERT_TRUE(signature);
  EXPECT_EQ(signature_text(*signature),
            "AVfpO7Pw3rc56hoO1OJcFxXUCfBmO2qouchBchSlL45Fuur9zS15UzytEI1QC5wwVG7uiHIdqyfmOS6uPrwqCg");
}

TEST(Nkey, WhatIsNoUsersSeedIsRefusedAndNotQuoted) {
  const std::string good = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
  for (size_t at = 0; at < good.size(); ++at) {
    std::string changed = good;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    const auto read = read_user_seed(changed);
    ASSERT_FALSE(read) << at;
    EXPECT_EQ(read.error().message.find(good.substr(2, 8)), std::string::npos);
  }
  for (const std::string& text : {std::string(), good.substr(1), good + "A", std::string(58, '1'),
                                  std::string("UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4")}) {
    EXPECT_FALSE(read_user_seed(text)) << text.size();
  }
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
