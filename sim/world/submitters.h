// Clients of the simulated world's ledger: each sends transactions over CoAP, sends again what nobody has
// answered, and holds receipts to what they promise. One thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "sim/core/chance.h"
#include "sim/world/coap_message.h"
#include "sim/world/gateway_node.h"
#include "sim/world/ledgers.h"
#include "sim/world/packet.h"

namespace sluice::sim {

class World;

class Submitters {
 public:
  /// They begin until then.
  Submitters(World& world, Ledgers& ledgers, const LedgerPlan& plan, Chance chance, Nanoseconds until);

  /// A packet from an ingress leaves a gateway.
  void note_left(const GatewayNode& node, const Packet& packet);
  /// It has come to its client.
  void receive(const Packet& packet);

  /// One client after another sends a transaction to the ingress of its family; all are served by
  /// check_probes().
  void begin_probes();
  void check_probes();

 private:
  struct Submission {
    IpAddress client;
    uint16_t port = 0;
    CoapRequest request;
    unsigned sent = 0;
    bool has_ended = false;
    bool is_sure = false;  ///< nothing disturbs it: its first message is answered by a receipt
    std::optional<uint64_t> index = {};
  };
  void begin();
  Submission& add(const IpAddress& client, std::string payload);
  std::string draw_payload();
  void send(size_t number);
  void await(size_t number);
  void end(Submission& submission, const CoapAnswer& answer);
  Submission* find(const CoapAnswer& answer, const Packet& packet);

  World& world_;
  Ledgers& ledgers_;
  const LedgerPlan& plan_;
  Chance chance_;
  Nanoseconds until_;
  std::deque<Submission> all_;  ///< by token
  std::vector<std::string> payloads_;
  std::optional<size_t> first_probe_;
};

}  // namespace sluice::sim
