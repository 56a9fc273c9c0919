// CoAP as RFC 7252 has it, message by message: what is answered, how, and what is met with silence.
#include "tests/packet/ledger_test.h"

namespace sluice::test {
namespace {

class LedgerCoap : public LedgerTest {
 protected:
  /// The answers to a message that the hash worker answers by itself.
  Frames answers_to(const Coap& request) {
    send(request);
    return gateway->sent(kEdge);
  }
};
INSTANTIATE_FOR_FAMILIES(LedgerCoap);

Coap post(std::string_view payload, uint16_t message_id = 0x1234) {
  return {.message_id = message_id, .payload = bytes_of(payload)};
}

TEST_P(LedgerCoap, ARetransmissionIsAnsweredAlikeOnceThereIsAnAnswer) {
  start();
  files.is_open = false;
  const Coap request = post("hello");
  send(request);
  gateway->advance_ms(1000);
  send(request);
  EXPECT_TRUE(gateway->sent(kEdge).empty()) << "the first one's answer is on its way";
  files.is_open = true;
  EXPECT_EQ(answers(1), Frames{answer(created(request, {0, 0, 1}))});
  EXPECT_EQ(answers_to(request), Frames{answer(created(request, {0, 0, 1}))});
  EXPECT_EQ(ended(Outcome::kStored), 1u);
  EXPECT_EQ(ended(Outcome::kDuplicate), 2u);
  expect_at_rest();
}

TEST_P(LedgerCoap, ARepeatUnderAnotherIdGetsTheSameReceipt) {
  start();
  send(post("hello", 1));
  send(post("hello", 2));
  seal();
  send(post("hello", 3));
  Frames expected;
  for (uint16_t id = 1; id <= 3; ++id) expected.push_back(answer(created(post("hello", id), {0, 0, 1})));
  EXPECT_EQ(answers(3), expected);
  EXPECT_EQ(ended(Outcome::kDuplicate), 2u);
  expect_at_rest();
}

/// Another message under a used Message ID: RFC 7252, 4.4 forbids it, and clients that draw IDs do it.
TEST_P(LedgerCoap, AnotherMessageUnderAUsedIdGetsAReceiptOfItsOwn) {
  start();
  const Coap first = post("first");
  Coap other_token = first;
  other_token.token = {1, 2, 3, 4, 5, 6, 7, 8};
  Coap other_type = post("second");
  other_type.type = 1;
  send(first);
  seal();
  EXPECT_EQ(answers(1), Frames{answer(created(first, {0, 0, 1}))});
  send(post("second"));
  seal();
  EXPECT_EQ(answers(1), Frames{answer(created(post("second"), {1, 1, 2}))});
  EXPECT_EQ(answers_to(other_token), Frames{answer(created(other_token, {0, 0, 1}))});
  EXPECT_EQ(answers_to(post("second")), Frames{answer(created(post("second"), {1, 1, 2}))});
  EXPECT_EQ(answers_to(first), Frames{answer(created(first, {0, 0, 1}))})
      << "the first is remembered beside it";
  const Frames sent = answers_to(other_type);
  ASSERT_EQ(sent.size(), 1u);
  const size_t message = 14 + family().header + 8;
  EXPECT_EQ(sent[0][message], 0x52) << "not confirmable, with a token of two bytes";
  const Bytes expected = receipt(sha256(bytes_of("second")), leaf_hash(bytes_of("second")), {1, 1, 2});
  EXPECT_EQ(Bytes(sent[0].end() - static_cast<long>(expected.size()), sent[0].end()), expected);
  EXPECT_EQ(ended(Outcome::kStored), 2u);
  EXPECT_EQ(ended(Outcome::kDuplicate), 4u);
  expect_at_rest();
}

TEST_P(LedgerCoap, AnotherMessageUnderTheIdOfAPendingOneGetsAReceiptOfItsOwn) {
  start();
  files.is_open = false;
  Coap other_token = post("first");
  other_token.token = {9};
  send(post("first"));
  gateway->advance_ms(10);
  send(post("second"));
  send(other_token);
  send(post("first"));
  gateway->advance_ms(10);
  EXPECT_TRUE(gateway->sent(kEdge).empty());
  files.is_open = true;
  seal();
  Frames sent = answers(3),
         expected{answer(created(post("first"), {0, 0, 1})), answer(created(other_token, {0, 0, 1})),
                  answer(created(post("second"), {1, 1, 2}))};
  std::sort(sent.begin(), sent.end());
  std::sort(expected.begin(), expected.end());
  EXPECT_EQ(sent, expected);
  EXPECT_EQ(ended(Outcome::kStored), 2u);
  EXPECT_EQ(ended(Outcome::kDuplicate), 2u);
  expect_at_rest();
}

TEST_P(LedgerCoap, ARetransmissionOfWhatWasRefusedForAMomentIsJudgedAnewAfterMaxAge) {
  config.source_rate = {{.rate = 1, .burst = 1}};
  start();
  send_raw(bytes_of("takes the token"));
  const Coap request = post("hello");
  const Frames refused{answer(later(request, k429, 1, "over the rate of this source"))};
  EXPECT_EQ(answers_to(request), refused);
  gateway->advance_ms(900);
  EXPECT_EQ(answers_to(request), refused);
  gateway->advance_ms(200);
  send(request);
  seal();
  EXPECT_EQ(answers(1), Frames{answer(created(request, {1, 1, 2}))});
  EXPECT_EQ(ended(Outcome::kRefusedRate), 2u);
  expect_at_rest();
}

TEST_P(LedgerCoap, ANonConfirmableRequestGetsANonConfirmableReceipt) {
  start();
  const Coap request{.type = 1, .payload = bytes_of("hello")};
  send(request);
  gateway->advance_ms(1000);
  const Frames sent = answers(1);
  ASSERT_EQ(sent.size(), 1u);
  // The id is the gateway's own choice; the token is what ties the answer to the request.
  const size_t message = 14 + family().header + 8;
  Coap expected{.type = 1, .code = k201, .options = {0xc1, 60}, .token = request.token};
  expected.message_id = static_cast<uint16_t>(sent[0][message + 2] << 8 | sent[0][message + 3]);
  expected.payload = receipt(sha256(request.payload), leaf_hash(request.payload), {0, 0, 1});
  EXPECT_EQ(sent, Frames{answer(expected.bytes())});
  expect_at_rest();
}

struct Refused {
  const char* why;
  Coap request;
  uint8_t code;
  const char* text;
  Outcome outcome;
};

TEST_P(LedgerCoap, WhatIsWrongIsToldByItsCode) {
  start();
  const Bytes tx{0xb2, 't', 'x'}, some{'x'};
  const auto with = [&](Bytes more) {
    Bytes options = tx;
    append(options, more);
    return options;
  };
  const Refused cases[] = {
      {"no payload", {}, k400, "malformed transaction", Outcome::kRefusedMalformed},
      {"If-None-Match, critical and unknown",
       {.options = {0x50, 0x62, 't', 'x'}, .payload = some},
       k402,
       "critical option not understood",
       Outcome::kRefusedOption},
      {"another path",
       {.options = {0xb2, 't', 'y'}, .payload = some},
       k404,
       "the path is /tx",
       Outcome::kRefusedPath},
      {"no path", {.options = {}, .payload = some}, k404, "the path is /tx", Outcome::kRefusedPath},
      {"a longer path",
       {.options = with({0x01, 'x'}), .payload = some},
       k404,
       "the path is /tx",
       Outcome::kRefusedPath},
      {"GET", {.code = 1, .payload = some}, k405, "the method is POST", Outcome::kRefusedMethod},
      {"FETCH, unknown to RFC 7252",
       {.code = 5, .payload = some},
       k405,
       "the method is POST",
       Outcome::kRefusedMethod},
      {"Accept: 0",
       {.options = with({0x60}), .payload = some},
       k406,
       "the answer has Content-Format 60",
       Outcome::kRefusedAccept},
      {"Block1",
       {.options = with({0xd1, 3, 0x08}), .payload = some},
       k413,
       "transaction too large, or in blocks",
       Outcome::kRefusedTooLarge},
      {"1401 bytes",
       {.payload = Bytes(1401, 7)},
       k413,
       "transaction too large, or in blocks",
       Outcome::kRefusedTooLarge},
      {"Proxy-Uri",
       {.options = with({0xd1, 11, 'x'}), .payload = some},
       k505,
       "no proxy",
       Outcome::kRefusedProxy},
  };
  uint64_t count = 0;
  for (Refused one : cases) {
    SCOPED_TRACE(one.why);
    one.request.message_id = static_cast<uint16_t>(++count);
    const uint64_t before = ended(one.outcome);
    EXPECT_EQ(answers_to(one.request),
              Frames{answer(acknowledgement(one.request, one.code, {}, bytes_of(one.text)))});
    EXPECT_EQ(ended(one.outcome), before + 1);
    EXPECT_EQ(gateway->ledger().received(), count);
  }
  expect_at_rest();
}

TEST_P(LedgerCoap, OptionsThatAreUnderstoodOrElectiveDoNoHarm) {
  start();
  // Uri-Host "h", Uri-Port 5683, Uri-Path tx, Content-Format 42, Uri-Query "a", Accept 60, elective 2048.
  const Coap request{.options = {0x31, 'h', 0x42, 0x16, 0x33, 0x42, 't', 'x', 0x11, 42, 0x31, 'a', 0x21, 60,
                                 0xe1, 0x06, 0xe2, 0x00},
                     .payload = bytes_of("hello")};
  send(request);
  gateway->advance_ms(1000);
  EXPECT_EQ(answers(1), Frames{answer(created(request, {0, 0, 1}))});
  expect_at_rest();
}

TEST_P(LedgerCoap, ThePromisedPayloadFits) {
  start();
  const Coap request{.payload = Bytes(1400, 7)};
  send(request);
  gateway->advance_ms(1000);
  EXPECT_EQ(answers(1), Frames{answer(created(request, {0, 0, 1}))});
  expect_at_rest();
}

TEST_P(LedgerCoap, APingAndWhatIsNoRequestAreReset) {
  start();
  const Coap reset{.type = 3, .message_id = 7, .code = 0, .options = {}, .token = {}};
  const Coap ping{.message_id = 7, .code = 0, .options = {}, .token = {}};
  EXPECT_EQ(answers_to(ping), Frames{answer(reset.bytes())});
  EXPECT_EQ(gateway->ledger().received(), 0u) << "nothing was asked";
  const Coap wrong[] = {
      {.message_id = 7, .options = {0xf0}, .payload = bytes_of("x")},  // a reserved delta
      {.message_id = 7, .code = 0x21, .payload = bytes_of("x")},       // a reserved class
      {.message_id = 7, .code = 0x41, .payload = bytes_of("x")},       // an answer
      {.message_id = 7, .code = 0, .token = {1}},                      // not quite empty
  };
  uint64_t count = 0;
  for (const Coap& request : wrong) {
    EXPECT_EQ(answers_to(request), Frames{answer(reset.bytes())});
    EXPECT_EQ(ended(Outcome::kRefusedMalformed), ++count);
  }
  expect_at_rest();
}

TEST_P(LedgerCoap, StrayMessagesMeetSilence) {
  start();
  for (const Coap& stray :
       {Coap{.type = 2, .payload = bytes_of("x")}, Coap{.type = 3, .code = 0, .token = {}},
        Coap{.type = 1, .code = 0, .options = {}, .token = {}},
        Coap{.type = 1, .options = {0x50}, .payload = bytes_of("x")}}) {
    EXPECT_TRUE(answers_to(stray).empty());
  }
  Bytes version2 = post("x").bytes();
  version2[0] ^= 0xc0;
  send(to_ledger(kCoapPort, version2));
  send(to_ledger(kCoapPort, {0x40}));
  EXPECT_TRUE(gateway->sent(kEdge).empty());
  EXPECT_EQ(ended(Outcome::kRefusedOption), 1u) << "a critical option in what is not confirmable";
  EXPECT_EQ(ended(Outcome::kRefusedMalformed), 2u) << "another version, and a header cut off";
  expect_at_rest();
}

TEST_P(LedgerCoap, ASourceOverItsRateIsToldSoOnEveryIngress) {
  config.source_rate = {{.rate = 1, .burst = 2, .prefixes = ledger::SourcePrefixes::hosts()}};
  start();
  send_raw(bytes_of("raw counts too"));
  send(post("second", 2));
  const Coap third = post("third", 3);
  EXPECT_EQ(answers_to(third), Frames{answer(later(third, k429, 1, "over the rate of this source"))});
  const Coap other = post("from another source", 4);
  send(to_ledger(kCoapPort, other.bytes(), family().client2));
  seal();
  EXPECT_EQ(answers(2).size(), 2u);
  EXPECT_EQ(ended(Outcome::kStored), 3u);
  EXPECT_EQ(ended(Outcome::kRefusedRate), 1u);
  send(post("third", 5));  // a second is over, and this is no retransmission
  seal();
  EXPECT_EQ(ended(Outcome::kStored), 4u);
  EXPECT_EQ(answers(1).size(), 1u);
  expect_at_rest();
}

}  // namespace
}  // namespace sluice::test
