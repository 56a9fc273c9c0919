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

/// Those that were sampled and have ended, in the order of their ends.
std::vector<dataplane::TransactionTrace> traces_of(TestGateway& gateway) {
  std::vector<dataplane::TransactionTrace> traces(64);
  traces.resize(gateway.ledger().take_traces(traces));
  return traces;
}

TEST_P(Ledger, SampledTransactionsAreToldOfStageByStage) {
  start();
  gateway->ledger().sample_transactions(1);
  send(post("hello", 1));
  gateway->advance_ms(1000);
  EXPECT_EQ(answers(1).size(), 1u);
  const auto traces = traces_of(*gateway);
  ASSERT_EQ(traces.size(), 1u);
  const dataplane::TransactionTrace& trace = traces[0];
  EXPECT_EQ(Bytes(trace.txid.begin(), trace.txid.end()), sha256(bytes_of("hello")));
  EXPECT_EQ(trace.client, *IpAddress::parse(family().client));
  EXPECT_EQ(trace.port.host(), 40000);
  EXPECT_EQ(trace.ingress, 0);
  EXPECT_EQ(trace.outcome, Outcome::kStored);
  EXPECT_GT(trace.received_ns, 0u);
  EXPECT_LE(trace.received_ns, trace.hashed_ns);
  EXPECT_LE(trace.hashed_ns, trace.sealed_ns);
  EXPECT_LE(trace.sealed_ns, trace.durable_ns);
  EXPECT_LE(trace.durable_ns, trace.answered_ns);

  send(post("hello", 2));  // a repeat is answered at once
  EXPECT_EQ(answers(1).size(), 1u);
  const auto repeats = traces_of(*gateway);
  ASSERT_EQ(repeats.size(), 1u);
  EXPECT_EQ(repeats[0].outcome, Outcome::kDuplicate);
  EXPECT_EQ(repeats[0].sealed_ns, 0u);
  EXPECT_GT(repeats[0].answered_ns, 0u);
  expect_at_rest();
}

TEST_P(Ledger, SampledTransactionsThatNobodyAsksForEndWhenTheyAreDurable) {
  start();
  gateway->ledger().sample_transactions(1);
  for (const char* payload : {"a", "b", "a"}) send_raw(bytes_of(payload));
  seal();
  const auto traces = traces_of(*gateway);
  ASSERT_EQ(traces.size(), 3u);
  unsigned stored = 0;
  for (const auto& trace : traces) {
    stored += trace.outcome == Outcome::kStored ? 1 : 0;
    EXPECT_EQ(trace.durable_ns > 0, trace.outcome == Outcome::kStored);
    EXPECT_EQ(trace.answered_ns, 0u);
    EXPECT_GT(trace.received_ns, 0u);
  }
  EXPECT_EQ(stored, 2u);
}

TEST_P(Ledger, SampledTransactionsThatTheDiskRefusesSaySo) {
  start();
  gateway->ledger().sample_transactions(1);
  files.is_full = true;
  send(post("hello"));
  gateway->advance_ms(1000);
  EXPECT_EQ(answers(1).size(), 1u);
  const auto traces = traces_of(*gateway);
  ASSERT_EQ(traces.size(), 1u);
  EXPECT_EQ(traces[0].outcome, Outcome::kDroppedDiskFull);
  EXPECT_EQ(traces[0].durable_ns, 0u);
}

TEST_P(Ledger, AShareOfTransactionsIsSampledByTheirIds) {
  start();
  unsigned sampled = 0, expected = 0;
  gateway->ledger().sample_transactions(0.25);
  for (unsigned i = 0; i < 400; ++i) {
    const Bytes payload = bytes_of("transaction " + std::to_string(i));
    expected += sha256(payload)[7] < 64 ? 1 : 0;  // the highest byte of the little-endian number that decides
    send_raw(payload);
    if (i % 50 == 49) {
      seal();
      sampled += static_cast<unsigned>(traces_of(*gateway).size());
    }
  }
  EXPECT_EQ(sampled, expected);
  EXPECT_GT(expected, 50u);
  gateway->ledger().sample_transactions(0);
  send_raw(bytes_of("one more"));
  seal();
  EXPECT_TRUE(traces_of(*gateway).empty());
}

}  // namespace
}  // namespace sluice::test
