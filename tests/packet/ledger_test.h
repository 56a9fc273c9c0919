// What the packet tests of the ledger ingress share: a gateway with a log in a folder of its own, requests
// and answers written out by hand from RFC 7252, RFC 8949 and interface.md, hashes from OpenSSL.
#pragma once

#include <openssl/evp.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "tests/packet/packet_test.h"
#include "tests/unit/ledger/log_fixture.h"

namespace sluice::test {

using dataplane::Framing;
using dataplane::LedgerPlane;
using ledger::Outcome;
using ledger::Profile;

inline constexpr uint16_t kCoapPort = 5683, kRawPort = 9000, kBitcoinPort = 5684;

/// Disks that wait or fail where a test wants it.
class GatedFiles final : public ledger::PosixFileSystem {
 public:
  int sync_data(int file) override {
    ++begun;
    while (!is_open.load()) usleep(200);
    const int result = error.load() != 0 ? error.load() : PosixFileSystem::sync_data(file);
    return result;
  }
  int64_t read(int file, std::span<uint8_t> data, uint64_t offset) override {
    if (read_us.load() > 0) usleep(read_us.load());
    return PosixFileSystem::read(file, data, offset);
  }
  int allocate(int file, uint64_t offset, uint64_t size) override {
    return is_full.load() ? -ENOSPC : PosixFileSystem::allocate(file, offset, size);
  }
  std::atomic<bool> is_full{false};
  std::atomic<unsigned> read_us{0};  ///< how long a read takes
  std::atomic<bool> is_open{true};   ///< whether a sync may end
  std::atomic<int> error{0};         ///< below zero: what a sync returns
  std::atomic<int> begun{0};         ///< syncs
};

inline Bytes bytes_of(std::string_view text) {
  return Bytes(text.begin(), text.end());
}

/// SHA-256 by OpenSSL.
inline Bytes sha256(const Bytes& data) {
  Bytes digest(32);
  EXPECT_EQ(EVP_Digest(data.data(), data.size(), digest.data(), nullptr, EVP_sha256(), nullptr), 1);
  return digest;
}
/// RFC 6962, 2.1.
inline Bytes leaf_hash(const Bytes& payload) {
  Bytes prefixed{0};
  append(prefixed, payload);
  return sha256(prefixed);
}

/// A CoAP message with a token of two bytes and, where `payload` has bytes, a payload.
struct Coap {
  uint8_t type = 0;  ///< 0 confirmable, 1 non-confirmable
  uint16_t message_id = 0x1234;
  uint8_t code = 0x02;               ///< POST
  Bytes options = {0xb2, 't', 'x'};  ///< Uri-Path: tx
  Bytes token = {0xab, 0xcd};
  Bytes payload = {};

  Bytes bytes() const {
    Bytes out{static_cast<uint8_t>(0x40 | type << 4 | token.size()), code};
    append16(out, message_id);
    append(out, token);
    append(out, options);
    if (!payload.empty()) {
      out.push_back(0xff);
      append(out, payload);
    }
    return out;
  }
};

/// Where a transaction is to lie; numbers below 24, so that each is one byte of CBOR.
struct Place {
  uint8_t index = 0, block = 0, tree_size = 1;
};
inline Bytes receipt(const Bytes& txid, const Bytes& leaf, const Place& place) {
  Bytes out{0xa5, 1, 0x58, 32};
  append(out, txid);
  append(out, {2, place.index, 3, 0x58, 32});
  append(out, leaf);
  append(out, {4, place.block, 5, place.tree_size});
  return out;
}

/// The acknowledgement that carries an answer to `request`.
inline Bytes acknowledgement(const Coap& request, uint8_t code, const Bytes& options, const Bytes& payload) {
  return Coap{.type = 2,
              .message_id = request.message_id,
              .code = code,
              .options = options,
              .token = request.token,
              .payload = payload}
      .bytes();
}
inline constexpr uint8_t k201 = 0x41, k400 = 0x80, k402 = 0x82, k404 = 0x84, k405 = 0x85, k406 = 0x86,
                         k413 = 0x8d, k429 = 0x9d, k503 = 0xa3, k505 = 0xa5;
/// The acknowledgement of a refusal that a client may retry after `max_age` seconds.
inline Bytes later(const Coap& request, uint8_t code, uint8_t max_age, std::string_view text) {
  return acknowledgement(request, code, {0xd1, 1, max_age}, bytes_of(text));
}
inline Bytes created(const Coap& request, const Place& place) {
  return acknowledgement(request, k201, {0xc1, 60},
                         receipt(sha256(request.payload), leaf_hash(request.payload), place));
}

class LedgerTest : public FamilyTest {
 protected:
  LedgerTest() {
    config.directory = folder.path;
    config.signer = std::make_shared<crypto::NoteSigner>(ledger::test::make_signer());
    config.dedupe_window = 1024;
    config.seal = {4, 1 << 20};
    config.sha256 = "openssl";
  }
  ~LedgerTest() override { files.is_open = true; }

  /// A gateway whose VIP has three ingresses beside those services.
  void start(GatewayShape shape = {}, const std::vector<ServiceSpec>& services = {}) {
    const auto vip = *IpAddress::parse(family().vip);
    const auto on = [&](uint16_t port, Framing framing, Profile profile) {
      return dataplane::Ingress{vip, Be16::from_host(port), framing, profile};
    };
    auto tables = make_tables(services);
    tables->ingress = std::make_shared<const std::vector<dataplane::Ingress>>(std::vector{
        on(kCoapPort, Framing::kCoap, Profile::kOpaque), on(kRawPort, Framing::kRaw, Profile::kOpaque),
        on(kBitcoinPort, Framing::kCoap, Profile::kBitcoin)});
    shape.ledger = &config;
    shape.ledger_files = &files;
    gateway = std::make_unique<TestGateway>(tables, shape);
  }

  PacketBuilder to_ledger(uint16_t port, const Bytes& payload, const char* client = nullptr) const {
    return ip(client != nullptr ? client : family().client, family().vip).udp(40000, port).payload(payload);
  }
  void send(const PacketBuilder& packet, unsigned worker = 0) {
    gateway->receive(kEdge, from_client(packet), worker);
  }
  void send(const Coap& request, uint16_t port = kCoapPort, unsigned worker = 0) {
    send(to_ledger(port, request.bytes()), worker);
  }
  void send_raw(const Bytes& payload) { send(to_ledger(kRawPort, payload)); }

  /// The answer that carries `message`, as the client gets it.
  Bytes answer(const Bytes& message, uint16_t port = kCoapPort, const char* client = nullptr) const {
    return to_client(ip(family().vip, client != nullptr ? client : family().client)
                         .ip_id(0)
                         .udp(port, 40000)
                         .payload(message));
  }
  /// Lets time pass, and the ledger come to rest.
  void seal() {
    gateway->settle();
    gateway->advance_ms(1000);
    EXPECT_TRUE(gateway->eventually([&] { return in_flight() == 0; }));
  }
  /// Polls until that many frames have come out for clients.
  Frames answers(size_t count) {
    Frames all;
    EXPECT_TRUE(gateway->eventually([&] {
      for (const Bytes& frame : gateway->sent(kEdge)) all.push_back(frame);
      return all.size() >= count;
    }));
    return all;
  }
  uint64_t in_flight() {
    uint64_t count = gateway->ledger().received();
    for (size_t i = 0; i < ledger::kOutcomes; ++i) count -= ended(static_cast<Outcome>(i));
    return count;
  }
  uint64_t ended(Outcome outcome) { return gateway->ledger().ended(outcome); }
  /// Nothing is left in the gateway, and all of it was counted.
  void expect_at_rest() {
    EXPECT_EQ(in_flight(), 0u);
    EXPECT_EQ(gateway->buffers_in_use(), 0u);
    expect_counters_to_add_up(*gateway);
  }

  ledger::test::Folder folder;
  GatedFiles files;
  dataplane::LedgerConfig config;
  std::unique_ptr<TestGateway> gateway;
};

}  // namespace sluice::test
