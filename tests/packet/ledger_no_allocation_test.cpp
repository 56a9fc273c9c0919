// Nor do workers allocate for transactions, from the datagram to the receipt, whichever way each one takes.
#include "tests/packet/ledger_test.h"
#include "tests/support/forbid_allocation.h"

namespace sluice::test {
namespace {

class LedgerNoAllocation : public LedgerTest {
 protected:
  Frames traffic() const {
    Frames frames;
    const auto add = [&](uint16_t port, const Bytes& payload) {
      frames.push_back(from_client(to_ledger(port, payload)));
    };
    for (uint16_t id = 0; id < 40; ++id) {
      const Bytes payload{static_cast<uint8_t>(id % 30), 7};  // the last ten are repeats
      add(kCoapPort, Coap{.message_id = id, .payload = payload}.bytes());
      add(kRawPort, payload);
    }
    add(kCoapPort, Coap{.message_id = 0, .payload = {0, 7}}.bytes());  // a retransmission
    add(kCoapPort, Coap{.message_id = 50, .payload = Bytes(1400, 7)}.bytes());
    add(kCoapPort, Coap{.message_id = 51, .code = 1}.bytes());
    add(kCoapPort, {0x40, 0, 0, 1});
    add(kBitcoinPort, Coap{.message_id = 52, .payload = {1}}.bytes());
    return frames;
  }
};
INSTANTIATE_FOR_FAMILIES(LedgerNoAllocation);

TEST_P(LedgerNoAllocation, InAnyShape) {
  config.source_rate = {{.rate = 1, .burst = 60}};  // so that some are over it
  for (const GatewayShape& shape : {GatewayShape{}, GatewayShape{.rx_workers = 2, .hash_workers = 2},
                                    GatewayShape{.ring_size = 16, .hash_workers = 1}}) {
    std::filesystem::remove_all(folder.path);
    config.signer = std::make_shared<crypto::NoteSigner>(ledger::test::make_signer());
    start(shape);
    for (int round = 0; round < 2; ++round) {
      for (const Bytes& frame : traffic()) gateway->put(kEdge, frame);
      const std::function<bool()> is_done = [this] { return gateway->ledger_station().sealer().is_idle(); };
      const ForbidAllocation forbidden;
      gateway->settle();
      gateway->advance_ms(10);
      EXPECT_TRUE(gateway->eventually(is_done));
      gateway->settle();
    }
    EXPECT_GT(ended(Outcome::kStored), 0u);
    EXPECT_GT(ended(Outcome::kDuplicate), 0u);
    EXPECT_GT(ended(Outcome::kRefusedRate) + ended(Outcome::kDroppedRingFull), 0u);
    EXPECT_GT(gateway->sent(kEdge).size(), 0u);
    expect_at_rest();
    gateway.reset();
  }
}

}  // namespace
}  // namespace sluice::test
