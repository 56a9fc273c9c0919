#include "ledger/coap.h"

#include <gtest/gtest.h>

#include <string>

#include "ledger/receipt.h"

namespace sluice::ledger::coap {
namespace {

using Bytes = std::vector<uint8_t>;

/// A message put together by hand from RFC 7252, 3: what the parser is told apart from.
struct Message {
  unsigned version = 1;
  unsigned type = 0;
  Bytes token = {0xaa, 0xbb};
  uint8_t code = 0x02;
  uint16_t id = 0x1234;
  Bytes payload = {'h', 'i'};
  std::vector<std::pair<unsigned, Bytes>> options = {{11, {'t', 'x'}}};

  Bytes encode() const {
    Bytes out = {static_cast<uint8_t>(version << 6 | type << 4 | token.size()), code,
                 static_cast<uint8_t>(id >> 8), static_cast<uint8_t>(id)};
    out.insert(out.end(), token.begin(), token.end());
    unsigned last = 0;
    for (const auto& [number, value] : options) {
      const unsigned delta = number - last;
      const auto nibble = [](size_t n) -> unsigned { return n < 13 ? n : n < 269 ? 13 : 14; };
      out.push_back(static_cast<uint8_t>(nibble(delta) << 4 | nibble(value.size())));
      for (const size_t n : {size_t{delta}, value.size()}) {
        if (nibble(n) == 13) out.push_back(static_cast<uint8_t>(n - 13));
        if (nibble(n) == 14)
          out.insert(out.end(), {static_cast<uint8_t>((n - 269) >> 8), static_cast<uint8_t>(n - 269)});
      }
      out.insert(out.end(), value.begin(), value.end());
      last = number;
    }
    if (!payload.empty()) {
      out.push_back(0xff);
      out.insert(out.end(), payload.begin(), payload.end());
    }
    return out;
  }
};

Request parsed(const Message& message, size_t most = 1400) {
  static Bytes datagram;  // the payload lies in it
  datagram = message.encode();
  return parse(datagram, most);
}

void expect_refused(const Message& message, Refusal refusal, Outcome outcome) {
  const Request request = parsed(message);
  EXPECT_EQ(request.action, Action::kAnswer);
  EXPECT_EQ(request.refusal, refusal);
  EXPECT_EQ(request.outcome, outcome);
  EXPECT_TRUE(request.is_received);
  EXPECT_EQ(refusal_of(outcome), refusal);
}

TEST(CoapParse, TakesATransactionConfirmableOrNot) {
  for (const unsigned type : {0u, 1u}) {
    Message message;
    message.type = type;
    const Request request = parsed(message);
    ASSERT_EQ(request.action, Action::kSubmit);
    EXPECT_TRUE(request.is_received);
    EXPECT_EQ(std::string(request.payload.begin(), request.payload.end()), "hi");
    EXPECT_EQ(request.exchange.message_id, 0x1234);
    EXPECT_EQ(request.exchange.token_size, 2);
    EXPECT_EQ(request.exchange.token[1], 0xbb);
    EXPECT_EQ(request.exchange.type, static_cast<Type>(type));
  }
}

TEST(CoapParse, UnderstandsTheOptionsItShould) {
  Message message;
  message.options = {{3, {'h'}},  {6, {}},     {7, {0x16, 0x33}}, {11, {'t', 'x'}},    {12, {}},
                     {15, {'a'}}, {15, {'b'}}, {17, {60}},        {60, Bytes(300, 1)}, {258, {2}}};
  EXPECT_EQ(parsed(message).action, Action::kSubmit);
}

TEST(CoapParse, RefusesCriticalOptionsThatItDoesNotUnderstand) {
  for (const unsigned number : {1u, 5u, 9u, 23u, 65001u}) {
    Message message;
    message.options.insert(number < 11 ? message.options.begin() : message.options.end(), {number, {1}});
    expect_refused(message, Refusal::kBadOption402, Outcome::kRefusedOption);
    message.type = 1;
    const Request silent = parsed(message);
    EXPECT_EQ(silent.action, Action::kIgnore);
    EXPECT_EQ(silent.outcome, Outcome::kRefusedOption);
    EXPECT_TRUE(silent.is_received);
  }
}

// RFC 7252, 5.4.3 and 5.4.5: a wrong length, or once too often, is as good as unknown.
TEST(CoapParse, TakesMisusedOptionsForUnknownOnes) {
  Message message;
  message.options = {{7, {1, 2, 3}}, {11, {'t', 'x'}}};
  expect_refused(message, Refusal::kBadOption402, Outcome::kRefusedOption);
  message.options = {{3, {}}, {11, {'t', 'x'}}};
  expect_refused(message, Refusal::kBadOption402, Outcome::kRefusedOption);
  message.options = {{11, {'t', 'x'}}, {17, {60}}, {17, {60}}};
  expect_refused(message, Refusal::kBadOption402, Outcome::kRefusedOption);
  message.options = {{11, {'t', 'x'}}, {12, {1, 2, 3}}};  // elective
  EXPECT_EQ(parsed(message).action, Action::kSubmit);
}

TEST(CoapParse, RefusesWhatTheContractRefuses) {
  Message message;
  message.options.push_back({35, {'c'}});
  expect_refused(message, Refusal::kProxyingNotSupported505, Outcome::kRefusedProxy);
  message.options = {{11, {'t', 'x'}}, {27, {0x08}}};
  expect_refused(message, Refusal::kTooLarge413, Outcome::kRefusedTooLarge);
  message.options = {{11, {'t', 'x'}}, {17, {50}}};
  expect_refused(message, Refusal::kNotAcceptable406, Outcome::kRefusedAccept);
  message.options = {{11, {'t', 'x'}}, {17, {}}};  // text/plain, whose number is 0
  expect_refused(message, Refusal::kNotAcceptable406, Outcome::kRefusedAccept);
  for (const auto& path :
       std::vector<std::vector<std::string>>{{}, {"tX"}, {"tx", ""}, {"tx", "tx"}, {"", "tx"}, {"t"}}) {
    message.options.clear();
    for (const std::string& segment : path) message.options.push_back({11, {segment.begin(), segment.end()}});
    expect_refused(message, Refusal::kNotFound404, Outcome::kRefusedPath);
  }
}

TEST(CoapParse, KnowsMethodsAndPathsApart) {
  Message message;
  for (const uint8_t method : {1, 3, 4, 5, 6, 7, 31}) {
    message.code = method;
    expect_refused(message, Refusal::kMethodNotAllowed405, Outcome::kRefusedMethod);
  }
  message.options.clear();
  message.code = 1;
  expect_refused(message, Refusal::kNotFound404, Outcome::kRefusedPath);
  message.code = 9;
  expect_refused(message, Refusal::kMethodNotAllowed405, Outcome::kRefusedMethod);
}

TEST(CoapParse, LimitsThePayload) {
  Message message;
  message.payload = Bytes(1400, 7);
  EXPECT_EQ(parsed(message).action, Action::kSubmit);
  message.payload.push_back(7);
  expect_refused(message, Refusal::kTooLarge413, Outcome::kRefusedTooLarge);
  message.payload.clear();
  expect_refused(message, Refusal::kBadRequest400, Outcome::kRefusedMalformed);
}

TEST(CoapParse, ResetsPingsAndReservedClassesAndKeepsSilentToTheRest) {
  struct Case {
    Bytes datagram;
    Action action;
    bool is_received;
  };
  const std::vector<Case> cases = {
      {{0x40, 0, 0x12, 0x34}, Action::kReset, false},         // ping
      {{0x50, 0, 0x12, 0x34}, Action::kIgnore, false},        // empty, non-confirmable
      {{0x60, 0, 0x12, 0x34}, Action::kIgnore, false},        // stray acknowledgement
      {{0x70, 0, 0x12, 0x34}, Action::kIgnore, false},        // stray reset
      {{0x61, 0x45, 0x12, 0x34, 1}, Action::kIgnore, false},  // an acknowledgement with an answer
      {{0x41, 0, 0x12, 0x34, 1}, Action::kReset, true},       // an empty message is four bytes
      {{0x40, 0, 0x12, 0x34, 0xff}, Action::kReset, true},
      {{0x40, 0x20, 0x12, 0x34}, Action::kReset, true},   // class 1
      {{0x40, 0xc1, 0x12, 0x34}, Action::kReset, true},   // class 6
      {{0x50, 0xe1, 0x12, 0x34}, Action::kReset, true},   // class 7
      {{0x40, 0x45, 0x12, 0x34}, Action::kReset, true},   // a response nobody asked for
      {{0x80, 0x02, 0x12, 0x34}, Action::kIgnore, true},  // version 2
      {{0x00, 0x02, 0x12, 0x34}, Action::kIgnore, true},
      {{0x40, 0x02, 0x12}, Action::kIgnore, true},  // shorter than a header
  };
  for (const Case& c : cases) {
    const Request request = parse(c.datagram, 1400);
    EXPECT_EQ(request.action, c.action) << ::testing::PrintToString(c.datagram);
    EXPECT_EQ(request.is_received, c.is_received) << ::testing::PrintToString(c.datagram);
    EXPECT_EQ(request.outcome, Outcome::kRefusedMalformed);
  }
}

TEST(CoapParse, ResetsFormatErrorsOfConfirmableMessages) {
  const std::vector<Bytes> tails = {
      {0xf0},                                // delta 15 that is no marker
      {0x0f},                                // length 15
      {0xd0},                                // extended delta missing
      {0xe0, 1},                             // half of it
      {0x0d},                                // extended length missing
      {0xb2, 't'},                           // value cut off
      {0xb2, 't', 'x', 0xff},                // a marker and no payload
      {0xe0, 0xff, 0xff, 0xe0, 0xff, 0xff},  // option numbers beyond 16 bits
  };
  for (const unsigned type : {0u, 1u}) {
    for (const Bytes& tail : tails) {
      Bytes datagram = {static_cast<uint8_t>(0x40 | type << 4), 2, 0x12, 0x34};
      datagram.insert(datagram.end(), tail.begin(), tail.end());
      const Request request = parse(datagram, 1400);
      EXPECT_EQ(request.action, type == 0 ? Action::kReset : Action::kIgnore)
          << ::testing::PrintToString(tail);
      EXPECT_TRUE(request.is_received);
    }
    for (uint8_t size = 9; size < 16; ++size) {
      Bytes datagram(40, 0);
      datagram[0] = static_cast<uint8_t>(0x40 | type << 4 | size);
      datagram[1] = 2;
      EXPECT_EQ(parse(datagram, 1400).action, type == 0 ? Action::kReset : Action::kIgnore);
    }
  }
}

TEST(CoapParse, ReadsNoByteBeyondTheDatagram) {
  Message message;
  message.options = {{3, Bytes(20, 'h')}, {11, {'t', 'x'}}, {60, Bytes(300, 1)}};
  const Bytes whole = message.encode();
  for (size_t size = 0; size <= whole.size(); ++size) {
    const Bytes cut(whole.begin(),
                    whole.begin() + static_cast<ptrdiff_t>(size));  // the sanitizer watches its end
    const Request request = parse(cut, 1400);
    EXPECT_EQ(request.action == Action::kSubmit, size + 1 >= whole.size()) << size;
  }
}

class CoapWrite : public ::testing::Test {
 protected:
  Bytes written(size_t size) { return {out_.begin(), out_.begin() + static_cast<ptrdiff_t>(size)}; }
  std::array<uint8_t, kMostAnswerBytes> out_{};
  Exchange exchange_{0x1234, Type::kConfirmable, 2, {0xaa, 0xbb}};
};

TEST_F(CoapWrite, PiggybacksAReceipt) {
  const Bytes answer = written(write_receipt(exchange_, 0x9999, Receipt{}, out_));
  const Bytes head = {0x62, 0x41, 0x12, 0x34, 0xaa, 0xbb, 0xc1, 60, 0xff, 0xa5};
  ASSERT_GE(answer.size(), head.size());
  EXPECT_EQ(Bytes(answer.begin(), answer.begin() + static_cast<ptrdiff_t>(head.size())), head);
}

TEST_F(CoapWrite, AnswersNonConfirmableWithItsOwnMessageId) {
  exchange_.type = Type::kNonConfirmable;
  const Bytes answer = written(write_receipt(exchange_, 0x9999, Receipt{}, out_));
  EXPECT_EQ(Bytes(answer.begin(), answer.begin() + 6), (Bytes{0x52, 0x41, 0x99, 0x99, 0xaa, 0xbb}));
}

TEST_F(CoapWrite, TellsMaxAgeWithBackpressureOnly) {
  Bytes answer =
      written(write_refusal(exchange_, 0, Refusal::kUnavailable503, Outcome::kDroppedDiskFull, 5, out_));
  const std::string text = "disk full or not answering";
  Bytes expected = {0x62, 0xa3, 0x12, 0x34, 0xaa, 0xbb, 0xd1, 0x01, 5, 0xff};
  expected.insert(expected.end(), text.begin(), text.end());
  EXPECT_EQ(answer, expected);
  answer = written(write_refusal(exchange_, 0, Refusal::kTooManyRequests429, Outcome::kRefusedRate, 1, out_));
  EXPECT_EQ(answer[1], 0x9d);
  EXPECT_EQ(answer[8], 1);
  answer = written(write_refusal(exchange_, 0, Refusal::kNotFound404, Outcome::kRefusedPath, 1, out_));
  EXPECT_EQ(answer[1], 0x84);
  EXPECT_EQ(answer[6], 0xff);
}

TEST_F(CoapWrite, WritesEveryCode) {
  const std::vector<std::pair<Refusal, uint8_t>> codes = {{Refusal::kBadRequest400, 0x80},
                                                          {Refusal::kBadOption402, 0x82},
                                                          {Refusal::kNotFound404, 0x84},
                                                          {Refusal::kMethodNotAllowed405, 0x85},
                                                          {Refusal::kNotAcceptable406, 0x86},
                                                          {Refusal::kTooLarge413, 0x8d},
                                                          {Refusal::kTooManyRequests429, 0x9d},
                                                          {Refusal::kUnavailable503, 0xa3},
                                                          {Refusal::kProxyingNotSupported505, 0xa5}};
  exchange_.token_size = 8;
  // The smallest request: header, token, path, and for some not even that.
  for (const auto& [refusal, code] : codes) {
    const size_t size = write_refusal(exchange_, 0, refusal, Outcome::kRefusedMalformed, 60, out_);
    EXPECT_EQ(out_[1], code);
    EXPECT_LE(size, 4u + 8 + 128);
  }
  const Receipt largest{{}, UINT64_MAX, {}, UINT64_MAX, UINT64_MAX};
  EXPECT_LE(write_receipt(exchange_, 0, largest, out_), 4u + 8 + 3 + 1 + 1 + 128);
}

TEST_F(CoapWrite, ResetsWithTheMessageId) {
  EXPECT_EQ(written(write_reset(exchange_, out_)), (Bytes{0x70, 0, 0x12, 0x34}));
}

}  // namespace
}  // namespace sluice::ledger::coap
