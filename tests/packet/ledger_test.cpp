// Transactions in, receipts out, through the real pipeline, journal threads and all.
#include "tests/packet/ledger_test.h"

namespace sluice::test {
namespace {

class Ledger : public LedgerTest {};
INSTANTIATE_FOR_FAMILIES(Ledger);

Coap post(std::string_view payload, uint16_t message_id = 0x1234) {
  return {.message_id = message_id, .payload = bytes_of(payload)};
}

TEST_P(Ledger, AReceiptLeavesOnceItsBlockIsDurable) {
  start();
  const int begun = files.begun;
  files.is_open = false;
  const Coap hello = post("hello");
  send(hello);
  gateway->advance_ms(1000);
  EXPECT_TRUE(gateway->eventually([&] { return files.begun > begun; }));
  gateway->settle();
  EXPECT_TRUE(gateway->sent(kEdge).empty()) << "the disk has not said yes";
  EXPECT_EQ(ended(Outcome::kStored), 0u);
  files.is_open = true;
  EXPECT_EQ(answers(1), Frames{answer(created(hello, {0, 0, 1}))});
  EXPECT_EQ(ended(Outcome::kStored), 1u);
  EXPECT_EQ(gateway->ledger().reach().blocks, 1u);
  EXPECT_EQ(gateway->ledger().reach().tree_size, 1u);
  EXPECT_EQ(gateway->ledger().ack_ns().count, 1u);
  expect_at_rest();
}

TEST_P(Ledger, RawTransactionsAreStoredAndNothingIsAnswered) {
  start();
  for (const char* payload : {"a", "b", "a"}) send_raw(bytes_of(payload));
  seal();
  EXPECT_EQ(ended(Outcome::kStored), 2u);
  EXPECT_EQ(ended(Outcome::kDuplicate), 1u);
  EXPECT_TRUE(gateway->sent(kEdge).empty());
  send_raw({});
  EXPECT_EQ(ended(Outcome::kRefusedMalformed), 1u);
  expect_at_rest();
}

}  // namespace
}  // namespace sluice::test
