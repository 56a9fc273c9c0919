// More than one stage can take, and every shape that the workers may have.
#include "tests/packet/ledger_test.h"

namespace sluice::test {
namespace {

class LedgerLoad : public LedgerTest {};
INSTANTIATE_FOR_FAMILIES(LedgerLoad);

Coap post(uint16_t number, uint16_t message_id) {
  return {.message_id = message_id,
          .payload = {static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)}};
}

/// The CoAP code of an answer.
uint8_t code_of(const Bytes& frame, const Family& family) {
  return frame[14 + family.header + 8 + 1];
}

TEST_P(LedgerLoad, AFullRingRefusesEarlyAndBalancingGoesOn) {
  constexpr uint16_t kRing = 8, kSent = 20;
  start({.ring_size = kRing, .hash_workers = 1}, {service(ForwardMode::kDnat)});
  for (uint16_t i = 0; i < kSent; ++i)
    gateway->put(kEdge, from_client(to_ledger(kCoapPort, post(i, i).bytes())));
  gateway->put(kEdge, from_client(request().syn()));
  gateway->poll();  // the worker is before the hash worker, which therefore took nothing yet
  EXPECT_EQ(gateway->sent(kCore).size(), 1u) << "the flow behind the flood is balanced in the same burst";
  Frames refusals;
  for (uint16_t i = kRing; i < kSent; ++i) refusals.push_back(answer(later(post(i, i), k503, 1, "busy")));
  EXPECT_EQ(gateway->sent(kEdge), refusals);
  EXPECT_EQ(ended(Outcome::kDroppedRingFull), kSent - kRing);
  EXPECT_EQ(gateway->dropped(DropReason::kRingFull), kSent - kRing);
  seal();
  EXPECT_EQ(answers(kRing).size(), kRing);
  EXPECT_EQ(ended(Outcome::kStored), kRing);
  expect_at_rest();
}

TEST_P(LedgerLoad, AFullRingRefusesOnlyWhatAsksForSomething) {
  start({.ring_size = 1, .hash_workers = 1});
  const Coap ping{.code = 0, .options = {}, .token = {}}, wrong{.code = 1, .payload = {1}};
  gateway->put(kEdge, from_client(to_ledger(kRawPort, {1})));  // fills the ring
  for (const Bytes& message : {ping.bytes(), wrong.bytes()})
    gateway->put(kEdge, from_client(to_ledger(kCoapPort, message)));
  gateway->put(kEdge, from_client(to_ledger(kRawPort, {2})));
  gateway->poll();
  EXPECT_EQ(gateway->sent(kEdge),
            Frames{answer(acknowledgement(wrong, k405, {}, bytes_of("the method is POST")))});
  EXPECT_EQ(ended(Outcome::kRefusedMethod), 1u);
  EXPECT_EQ(ended(Outcome::kDroppedRingFull), 1u);
  seal();
  EXPECT_EQ(gateway->ledger().received(), 3u) << "a ping asks for nothing";
  expect_at_rest();
}

/// While the disk says nothing, every block fills up; then clients are told to wait, not kept waiting.
TEST_P(LedgerLoad, ASlowDiskFillsTheBlocksAndThenClientsAreToldSo) {
  constexpr uint16_t kInFlight = 8 * 4;  // blocks of four
  start();
  files.is_open = false;
  for (uint16_t i = 0; i < kInFlight; ++i) send(post(i, i));
  EXPECT_TRUE(gateway->sent(kEdge).empty());
  const Coap more = post(kInFlight, kInFlight);
  send(more);
  EXPECT_EQ(gateway->sent(kEdge), Frames{answer(later(more, k503, 1, "busy"))});
  EXPECT_EQ(ended(Outcome::kDroppedWindowFull) + ended(Outcome::kDroppedRingFull), 1u);
  files.is_open = true;
  EXPECT_EQ(answers(kInFlight).size(), kInFlight);
  send(post(kInFlight, kInFlight + 1));
  seal();
  EXPECT_EQ(ended(Outcome::kStored), kInFlight + 1u) << "it can be sent again";
  answers(1);
  expect_at_rest();
}

/// A worker that takes answers slower than they come: what is lost is there for whoever asks again.
TEST_P(LedgerLoad, ALostAnswerIsCountedAndSentToTheRetransmission) {
  constexpr uint16_t kRing = 8, kSent = 4 * kRing;
  config.seal = {kSent, 1 << 20};
  start({.ring_size = kRing, .hash_workers = 1});
  const auto send_some = [&](uint16_t first) {
    for (uint16_t i = first; i < first + kRing; ++i) {
      gateway->put(kEdge, from_client(to_ledger(kCoapPort, post(i, i).bytes())));
    }
    gateway->settle();
  };
  for (uint16_t i = 0; i < kSent; i += kRing) send_some(i);  // the last one fills the block
  EXPECT_TRUE(gateway->eventually([&] { return in_flight() == 0; }));
  EXPECT_EQ(gateway->sent(kEdge).size(), kRing);
  EXPECT_EQ(gateway->ledger().answers_lost(), kSent - kRing);
  for (uint16_t i = 0; i < kSent; i += kRing) send_some(i);
  EXPECT_EQ(gateway->sent(kEdge).size(), kSent);
  EXPECT_EQ(ended(Outcome::kStored), kSent);
  expect_at_rest();
}

TEST_P(LedgerLoad, EveryShapeStoresEveryTransactionOnce) {
  constexpr uint16_t kEach = 40;
  config.seal = {16, 1 << 20};
  for (const GatewayShape& shape :
       {GatewayShape{}, GatewayShape{.hash_workers = 1}, GatewayShape{.hash_workers = 2},
        GatewayShape{.rx_workers = 3}, GatewayShape{.rx_workers = 2, .hash_workers = 2},
        GatewayShape{.rx_workers = 1, .lb_workers = 2, .hash_workers = 1}}) {
    SCOPED_TRACE(std::to_string(shape.rx_workers) + " rx, " + std::to_string(shape.hash_workers) + " hash");
    std::filesystem::remove_all(folder.path);
    config.signer = std::make_shared<crypto::NoteSigner>(ledger::test::make_signer());
    start(shape);
    // The same from both clients and over every worker: whoever is second gets the receipt of the first.
    for (uint16_t i = 0; i < kEach; ++i) {
      const Coap request = post(i, i);
      send(to_ledger(kCoapPort, request.bytes()), i % shape.rx_workers);
      send(to_ledger(kCoapPort, request.bytes(), family().client2), (i + 1u) % shape.rx_workers);
    }
    gateway->advance_ms(1000);
    std::map<Bytes, int> receipts;
    for (const Bytes& frame : answers(2 * kEach)) {
      EXPECT_EQ(code_of(frame, family()), k201);
      ++receipts[Bytes(frame.begin() + static_cast<long>(14 + family().header + 8 + 2), frame.end())];
    }
    EXPECT_EQ(receipts.size(), kEach);
    for (const auto& [message, times] : receipts) EXPECT_EQ(times, 2);
    EXPECT_EQ(ended(Outcome::kStored), kEach);
    EXPECT_EQ(ended(Outcome::kDuplicate), kEach);
    EXPECT_EQ(gateway->ledger().reach().tree_size, kEach);
    expect_at_rest();
    gateway.reset();
  }
}

}  // namespace
}  // namespace sluice::test
