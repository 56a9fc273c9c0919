// Transactions whose id is not the hash of all their bytes, so that a repeat has to look up the first one's
// leaf.
#include "tests/packet/ledger_test.h"

namespace sluice::test {
namespace {

class LedgerBitcoin : public LedgerTest {};
INSTANTIATE_FOR_FAMILIES(LedgerBitcoin);

/// One input, one output: BIP-144's serialization with a witness of one byte, or the plain one.
struct BitcoinTransaction {
  uint8_t amount = 1;
  std::optional<uint8_t> witness = {};

  Bytes body() const {
    Bytes out{1};
    out.insert(out.end(), 36, 0x11);                         // the outpoint
    append(out, {0, 0xff, 0xff, 0xff, 0xff});                // no script; the sequence
    append(out, {1, amount, 0, 0, 0, 0, 0, 0, 0, 1, 0x51});  // to anybody
    return out;
  }
  Bytes bytes() const {
    Bytes out{2, 0, 0, 0};
    if (witness) append(out, {0, 1});
    append(out, body());
    if (witness) append(out, {1, 1, *witness});
    append(out, {0, 0, 0, 0});
    return out;
  }
  Bytes txid() const {
    Bytes plain{2, 0, 0, 0};
    append(plain, body());
    append(plain, {0, 0, 0, 0});
    return sha256(sha256(plain));
  }
};

Coap post(const BitcoinTransaction& transaction, uint16_t message_id) {
  return {.message_id = message_id, .payload = transaction.bytes()};
}

TEST_P(LedgerBitcoin, AnotherWitnessGetsTheFirstReceipt) {
  start();
  const BitcoinTransaction first{.witness = 7}, second{.witness = 8};
  const Bytes promise = receipt(first.txid(), leaf_hash(first.bytes()), {0, 0, 1});
  for (const auto& [transaction, id] : {std::pair(first, uint16_t{1}), std::pair(second, uint16_t{2})}) {
    send(post(transaction, id), kBitcoinPort);
    gateway->advance_ms(1000);
    EXPECT_EQ(answers(1), Frames{answer(acknowledgement(post(transaction, id), k201, {0xc1, 60}, promise),
                                        kBitcoinPort)});
  }
  EXPECT_EQ(ended(Outcome::kStored), 1u);
  EXPECT_EQ(ended(Outcome::kDuplicate), 1u);
  expect_at_rest();
}

TEST_P(LedgerBitcoin, WhatIsNoTransactionIsRefused) {
  start();
  Bytes with_more = BitcoinTransaction{}.bytes();
  with_more.push_back(0);
  const Coap request{.payload = with_more};
  send(request, kBitcoinPort);
  EXPECT_EQ(answers(1), Frames{answer(acknowledgement(request, k400, {}, bytes_of("malformed transaction")),
                                      kBitcoinPort)});
  EXPECT_EQ(ended(Outcome::kRefusedMalformed), 1u);
  expect_at_rest();
}

// More repeats at once than the disk can be asked about: all are answered, or refused, and what comes after
// them is taken.
TEST_P(LedgerBitcoin, AFloodOfRepeatsLeavesNoJam) {
  start({.rx_workers = 3, .ring_size = 512, .hash_workers = 1});
  send(post({}, 0), kBitcoinPort);
  seal();
  files.read_us = 20;
  const auto has_room = [&] {  // without a rest between the polls, so that there is always more to ask
    for (int polls = 0; polls < 1'000'000 && gateway->buffers_in_use() > 1500; ++polls) {
      gateway->poll();
      gateway->sent(kEdge);
    }
    return gateway->buffers_in_use() <= 1500;
  };
  for (uint16_t id = 1; id < 15000;) {
    ASSERT_TRUE(has_room());
    for (int i = 0; i < 90; ++i, ++id)
      gateway->put(kEdge, from_client(to_ledger(kBitcoinPort, post({}, id).bytes())), id % 3u);
  }
  EXPECT_TRUE(gateway->eventually([&] { return in_flight() == 0 && gateway->sent(kEdge).empty(); }));
  send(post({}, 1), kCoapPort);  // under the other profile it is another one
  seal();
  EXPECT_EQ(ended(Outcome::kStored), 2u);
  gateway->sent(kEdge);
  expect_at_rest();
}

}  // namespace
}  // namespace sluice::test
