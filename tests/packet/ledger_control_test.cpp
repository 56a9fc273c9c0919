// The ledger as the control thread sees it: requests, a disk that fails or is full, and the end.
#include <cerrno>
#include <thread>

#include "tests/packet/ledger_test.h"

namespace sluice::test {
namespace {

using dataplane::LedgerRequest;
using dataplane::LocateRequest;
using dataplane::SubmitRequest;

class LedgerControl : public LedgerTest {
 protected:
  /// The answer to a request, once it is there.
  template <typename Question>
  Question ask(Question question) {
    LedgerRequest request{.question = std::move(question)};
    auto plane = gateway->ledger();
    EXPECT_TRUE(plane.ask(request));
    gateway->settle();
    gateway->advance_ms(1000);
    EXPECT_TRUE(gateway->eventually([&] { return request.done.load(); }));
    return std::get<Question>(request.question);
  }
  ledger::Answer submit(std::string_view payload, Profile profile = Profile::kOpaque) {
    return ask(SubmitRequest{profile, bytes_of(payload), {}}).answer;
  }
  /// Ends the ledger as DataPlane::stop() does: while its workers go round.
  void stop() {
    std::atomic<bool> is_drained{false};
    std::thread stopper([&] {
      gateway->ledger_station().drain();
      is_drained = true;
    });
    while (!is_drained.load()) gateway->poll();
    stopper.join();
    gateway->settle();
    gateway->ledger_station().stop();
  }
};
INSTANTIATE_TEST_SUITE_P(Ipv4, LedgerControl, testing::Values(kIpv4));

Coap post(std::string_view payload, uint16_t message_id = 1) {
  return {.message_id = message_id, .payload = bytes_of(payload)};
}
crypto::Digest digest_of(const Bytes& bytes) {
  crypto::Digest digest;
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

TEST_P(LedgerControl, ASubmittedTransactionGetsItsReceiptAndIsFound) {
  start();
  const Bytes payload = bytes_of("by the control socket");
  EXPECT_EQ(ask(LocateRequest{digest_of(sha256(payload)), {}}).index, std::nullopt);
  const ledger::Answer first = submit("by the control socket");
  EXPECT_EQ(first.outcome, Outcome::kStored);
  EXPECT_EQ(first.receipt.txid, digest_of(sha256(payload)));
  EXPECT_EQ(first.receipt.leaf_hash, digest_of(leaf_hash(payload)));
  EXPECT_EQ(first.receipt.tree_size, 1u);
  EXPECT_EQ(ask(LocateRequest{digest_of(sha256(payload)), {}}).index, 0u);
  const Coap again = post("by the control socket");
  send(again);
  EXPECT_EQ(answers(1), Frames{answer(created(again, {0, 0, 1}))}) << "a datagram is a repeat of it";
  EXPECT_EQ(submit("by the control socket").outcome, Outcome::kDuplicate);
  EXPECT_EQ(submit("no transaction", Profile::kBitcoin).outcome, Outcome::kRefusedMalformed);
  EXPECT_EQ(gateway->ledger().ack_ns().count, 3u);
  expect_at_rest();
}

TEST_P(LedgerControl, NothingIsAcknowledgedAfterAFailedSync) {
  start();
  send(post("before", 1));
  seal();
  answers(1);
  files.error = -EIO;
  send(post("during", 2));
  gateway->advance_ms(1000);
  EXPECT_TRUE(gateway->eventually([&] { return gateway->ledger().failure().has_value(); }));
  EXPECT_NE(gateway->ledger().failure()->message.find("Input/output error"), std::string::npos);
  EXPECT_TRUE(gateway->eventually([&] { return in_flight() == 0; }));
  EXPECT_TRUE(gateway->sent(kEdge).empty()) << "nobody knows what became of it";
  const int syncs = files.begun;
  const Coap after = post("after", 3);
  send(after);
  EXPECT_EQ(gateway->sent(kEdge), Frames{answer(later(after, k503, 1, "stopping"))});
  EXPECT_EQ(submit("after, too").outcome, Outcome::kDroppedStopping);
  gateway->advance_ms(1000);
  gateway->settle();
  EXPECT_EQ(files.begun, syncs) << "a sync is never tried again";
  EXPECT_EQ(ended(Outcome::kStored), 1u);
  EXPECT_EQ(ended(Outcome::kDroppedStopping), 3u);
  expect_at_rest();
}

TEST_P(LedgerControl, AFullDiskIsToldUntilThereIsRoom) {
  start();
  files.is_full = true;
  const Coap first = post("first", 1);
  send(first);
  gateway->advance_ms(1000);
  EXPECT_EQ(answers(1), Frames{answer(later(first, k503, 10, "disk full or not answering"))});
  EXPECT_TRUE(gateway->ledger().reach().is_full);
  EXPECT_EQ(submit("second").outcome, Outcome::kDroppedDiskFull);
  files.is_full = false;
  EXPECT_EQ(submit("first").receipt.index, 0u) << "what was refused can be sent again, and no index is lost";
  EXPECT_FALSE(gateway->ledger().reach().is_full);
  EXPECT_EQ(gateway->ledger().failure(), std::nullopt);
  EXPECT_EQ(ended(Outcome::kDroppedDiskFull), 2u);
  expect_at_rest();
}

TEST_P(LedgerControl, AFailedDiskIsToldWhereTheGatewayGoesOn) {
  config.goes_on_after_failure = true;
  start();
  files.error = -EIO;
  const Coap during = post("during", 1);
  send(during);
  gateway->advance_ms(1000);
  EXPECT_EQ(answers(1), Frames{answer(later(during, k503, 10, "disk full or not answering"))});
  files.error = 0;
  const int syncs = files.begun;
  const Coap after = post("after", 2);
  send(after);
  EXPECT_EQ(gateway->sent(kEdge), Frames{answer(later(after, k503, 10, "disk full or not answering"))});
  EXPECT_EQ(submit("by the control socket").outcome, Outcome::kDroppedDiskFull);
  gateway->advance_ms(1000);
  gateway->settle();
  EXPECT_EQ(files.begun, syncs) << "a sync is never tried again";
  EXPECT_TRUE(gateway->ledger().failure());
  EXPECT_EQ(ended(Outcome::kDroppedDiskFull), 3u);
  expect_at_rest();
}

TEST_P(LedgerControl, AHangingDiskIsToldUntilItAnswersAgain) {
  start();
  send(post("before", 1));
  seal();
  answers(1);
  ASSERT_TRUE(gateway->eventually([&] { return gateway->ledger().reach().checkpoint_size == 1; }))
      << "else its checkpoint may be what hangs first";
  files.is_open = false;
  const Coap during = post("during", 2), repeat = post("during", 3), next = post("next", 4);
  LedgerRequest asked{.question = SubmitRequest{Profile::kOpaque, bytes_of("asked"), {}}};
  send(during);
  send(repeat);
  EXPECT_TRUE(gateway->ledger().ask(asked));
  gateway->settle();
  gateway->advance_ms(1000);
  gateway->settle();  // sealed, and before the disk
  gateway->advance_ms(1900);
  gateway->settle();
  EXPECT_TRUE(gateway->sent(kEdge).empty()) << "a slow disk is none that hangs";
  gateway->advance_ms(200);
  const auto refused = [&](const Coap& request) {
    return Frames{answer(later(request, k503, 10, "disk full or not answering"))};
  };
  Frames told = refused(during);
  told.push_back(refused(repeat)[0]);
  EXPECT_EQ(answers(2), told);
  EXPECT_TRUE(gateway->eventually([&] { return asked.done.load(); }));
  EXPECT_EQ(std::get<SubmitRequest>(asked.question).answer.outcome, Outcome::kDroppedDiskFull);
  EXPECT_TRUE(gateway->ledger().reach().is_stalled);
  for (const Coap& request : {next, during}) {
    send(request);
    EXPECT_EQ(gateway->sent(kEdge), refused(request));
  }
  send(post("before", 5));
  EXPECT_EQ(answers(1), Frames{answer(created(post("before", 5), {0, 0, 1}))}) << "it is durable";
  files.is_open = true;
  EXPECT_TRUE(gateway->eventually([&] { return !gateway->ledger().reach().is_stalled && in_flight() == 0; }));
  EXPECT_TRUE(gateway->sent(kEdge).empty()) << "everybody was told already";
  const Coap again = post("during", 6);
  send(again);
  EXPECT_EQ(answers(1), Frames{answer(created(again, {1, 1, 3}))}) << "it is in the log";
  EXPECT_EQ(submit("next").receipt.index, 3u);
  EXPECT_EQ(ended(Outcome::kStored), 4u);
  EXPECT_EQ(ended(Outcome::kDroppedDiskFull), 2u) << "and the retransmission of what was refused";
  expect_at_rest();
}

TEST_P(LedgerControl, StoppingMakesDurableWhatCameAndRefusesTheRest) {
  start();
  LedgerRequest late{.question = SubmitRequest{Profile::kOpaque, bytes_of("late"), {}}};
  const Coap came = post("came before", 1);
  send(came);
  stop();
  EXPECT_EQ(gateway->sent(kEdge), Frames{answer(created(came, {0, 0, 1}))});
  EXPECT_EQ(gateway->ledger().reach().checkpoint_size, 1u) << "the last checkpoint covers all";
  auto plane = gateway->ledger();
  EXPECT_FALSE(plane.ask(late));
  send(post("came after", 2));
  EXPECT_EQ(gateway->sent(kEdge), Frames{answer(later(post("came after", 2), k503, 1, "stopping"))});
  expect_at_rest();
}

}  // namespace
}  // namespace sluice::test
