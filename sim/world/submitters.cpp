#include "sim/world/submitters.h"

#include <algorithm>

#include "sim/world/world.h"

namespace sluice::sim {
namespace {

constexpr Nanoseconds kFirstWait = kSecondNs;  ///< doubled with each message
constexpr unsigned kMostSent = 4;
/// Blocks may be as small as one transaction: who comes with many others at once may be told to come again.
constexpr Nanoseconds kBetweenProbes = kSecondNs / 50;
constexpr uint16_t kFirstPort = 7000;
constexpr uint64_t kPorts = 3, kMessageIds = 8;  ///< few, so that other transactions come under used ones
constexpr size_t kMostBytes = 1300;
constexpr unsigned kStored = 201, kBusy = 503;
constexpr size_t kMostGrowth = 128;  ///< of an answer over its request

}  // namespace

Submitters::Submitters(World& world, Ledgers& ledgers, const LedgerPlan& plan, Chance chance,
                       Nanoseconds until)
    : world_(world), ledgers_(ledgers), plan_(plan), chance_(chance), until_(until) {
  for (unsigned i = 0; i < plan_.transactions; ++i) {
    world_.after(chance_.below(world_.scenario_.busy), [this] { begin(); });
  }
}

std::string Submitters::draw_payload() {
  if (!payloads_.empty() && chance_.happens(200)) return chance_.pick(payloads_);
  std::string payload = "transaction " + std::to_string(payloads_.size()) + ' ';
  payload.resize(payload.size() + chance_.below(chance_.happens(100) ? kMostBytes : 200), '.');
  payloads_.push_back(payload);
  return payload;
}

Submitters::Submission& Submitters::add(const IpAddress& client, std::string payload) {
  const auto token = static_cast<uint32_t>(all_.size());
  all_.push_back({client,
                  static_cast<uint16_t>(kFirstPort + chance_.below(kPorts)),
                  {static_cast<uint16_t>(chance_.below(kMessageIds)), token, !chance_.happens(300),
                   std::move(payload)}});
  return all_.back();
}

void Submitters::begin() {
  if (world_.now() >= until_) return;
  Submission& submission = add(chance_.pick(world_.scenario_.clients), draw_payload());
  const Scenario& scenario = world_.scenario_;
  submission.is_sure = scenario.is_calm() && !scenario.has_outages && !scenario.has_floods &&
                       !scenario.has_crowds && !plan_.has_disk_faults;
  send(all_.size() - 1);
}

void Submitters::send(size_t number) {
  Submission& submission = all_[number];
  ++submission.sent;
  Packet packet;
  packet.source = submission.client;
  packet.destination = ingress_address(submission.client.is_v6());
  packet.protocol = IpProtocol::kUdp;
  packet.source_port = submission.port;
  packet.destination_port = kCoapPort;
  packet.payload = write_coap(submission.request);
  world_.send_to_gateway(packet);
  await(number);
}

void Submitters::await(size_t number) {
  const unsigned sent = all_[number].sent;
  world_.after(kFirstWait << (sent - 1), [this, number, sent] {
    Submission& submission = all_[number];
    if (submission.has_ended || submission.sent != sent) return;
    if (submission.is_sure) world_.violate("transaction " + std::to_string(number) + " is not answered");
    if (sent == kMostSent) {
      submission.has_ended = true;
    } else {
      send(number);
    }
  });
}

Submitters::Submission* Submitters::find(const CoapAnswer& answer, const Packet& packet) {
  if (answer.token >= all_.size()) return nullptr;
  Submission& submission = all_[answer.token];
  const bool is_its = submission.client == packet.destination && submission.port == packet.destination_port;
  const bool is_alike = !submission.request.is_confirmable || !answer.is_acknowledgement ||
                        answer.message_id == submission.request.message_id;
  const bool has_its_type = answer.is_acknowledgement == submission.request.is_confirmable;
  return is_its && is_alike && has_its_type ? &submission : nullptr;
}

void Submitters::note_left(const GatewayNode& node, const Packet& packet) {
  const auto answer = read_coap(packet.payload);
  if (!answer) world_.violate(node.name() + " sends an answer that cannot be read");
  Submission* const submission = find(*answer, packet);
  if (submission == nullptr) world_.violate(node.name() + " answers what nobody has asked");
  if (packet.payload.size() > write_coap(submission->request).size() + kMostGrowth)
    world_.violate(node.name() + " answers with more than it may");
  if (answer->code != kStored && answer->code != kBusy)
    world_.violate(node.name() + " refuses a transaction with " + std::to_string(answer->code));
  if (answer->receipt) ledgers_.take_receipt(node, *answer->receipt, submission->request.payload);
}

void Submitters::receive(const Packet& packet) {
  const auto answer = read_coap(packet.payload);
  Submission* const submission = answer ? find(*answer, packet) : nullptr;
  if (submission != nullptr && !submission->has_ended) end(*submission, *answer);
}

/// Who is told to come again may do so, with another message.
void Submitters::end(Submission& submission, const CoapAnswer& answer) {
  submission.has_ended = true;
  if (answer.receipt) submission.index = answer.receipt->index;
  if (submission.is_sure && !answer.receipt)
    world_.violate("transaction " + std::to_string(answer.token) + " is refused, and nothing disturbed it");
  if (answer.receipt && chance_.happens(150)) {  // as one whose acknowledgement was lost
    world_.after(chance_.below(3 * kSecondNs), [this, number = answer.token] { send(number); });
  } else if (!answer.receipt) {
    world_.after(kSecondNs + chance_.below(kSecondNs),
                 [this, client = submission.client, payload = submission.request.payload] {
                   if (world_.now() >= until_) return;
                   add(client, payload);
                   send(all_.size() - 1);
                 });
  }
}

void Submitters::begin_probes() {
  first_probe_ = all_.size();
  Nanoseconds wait = 0;
  for (const IpAddress& client : world_.scenario_.clients) {
    world_.after(wait, [this, client] {
      add(client, draw_payload());
      send(all_.size() - 1);
    });
    wait += kBetweenProbes;
  }
}

void Submitters::check_probes() {
  for (size_t number = *first_probe_; number < all_.size(); ++number) {
    const Submission& probe = all_[number];
    if (probe.index) continue;
    const FlowKey key{probe.client,
                      ingress_address(probe.client.is_v6()),
                      Be16::from_host(probe.port),
                      Be16::from_host(kCoapPort),
                      IpProtocol::kUdp,
                      {}};
    if (ledgers_.has_failed(*world_.route(key))) continue;
    world_.violate("transaction " + std::to_string(number) + " gets no receipt though all faults are over");
  }
}

}  // namespace sluice::sim
