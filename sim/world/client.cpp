#include "sim/world/client.h"

#include <algorithm>

namespace sluice::sim {
namespace {

constexpr Nanoseconds kFirstWait = 200 * kMillisecondNs, kLongestWait = 1600 * kMillisecondNs;
constexpr unsigned kMostAttempts = 10;
constexpr unsigned kMostRounds = 8;
constexpr size_t kMostBytes = 1300;

}  // namespace

Connection::Connection(ClientWorld& world, uint32_t number, const ServicePlan& service,
                       unsigned service_number, IpAddress client, uint16_t port, Chance chance)
    : world_(world),
      number_(number),
      service_(service),
      service_number_(service_number),
      client_(client),
      port_(port),
      chance_(chance),
      rounds_(static_cast<unsigned>(chance_.between(1, kMostRounds))) {}

std::string Connection::name() const {
  return "connection " + std::to_string(number_) + " (" + endpoint_text(client_, port_) + " to " +
         service_.name + ")";
}

Packet Connection::packet(uint8_t flags) const {
  Packet packet;
  packet.source = client_;
  packet.destination = service_.address;
  packet.protocol = service_.protocol;
  packet.source_port = port_;
  packet.destination_port = service_.port;
  packet.sequence = sequence_;
  packet.acknowledged = expected_;
  packet.flags = flags;
  return packet;
}

Packet Connection::forged(uint8_t flags, uint32_t sequence) const {
  Packet packet = this->packet(flags);
  packet.sequence = sequence;
  packet.acknowledged = 0;
  return packet;
}

FlowKey Connection::key() const {
  return {
      client_, service_.address, Be16::from_host(port_), Be16::from_host(service_.port), service_.protocol,
      {}};
}

void Connection::send(const Packet& packet) {
  last_ = packet;
  world_.send_to_gateway(packet);
  await(0);
}

void Connection::start() {
  began_ = world_.now();
  sequence_ = static_cast<uint32_t>(chance_.next());
  if (service_.protocol == IpProtocol::kUdp) {
    state_ = State::kOpen;
    return ask();
  }
  state_ = State::kSynSent;
  send(packet(tcp_flag::kSyn));
  ++sequence_;
}

void Connection::ask() {
  if (state_ != State::kOpen) return;
  const Message request{number_, round_, static_cast<uint16_t>(chance_.below(kMostBytes)), 0};
  Packet question = packet(tcp_flag::kPush | tcp_flag::kAck);
  question.payload = write_message(request, chance_.below(kMostBytes));
  sequence_ += static_cast<uint32_t>(question.payload.size());
  send(question);
}

void Connection::await(unsigned attempt) {
  is_waiting_ = true;
  const uint64_t wait = ++waits_;
  world_.after(std::min(kFirstWait << attempt, kLongestWait), [this, wait, attempt] {
    if (is_waiting_ && wait == waits_ && !has_ended()) repeat(attempt + 1);
  });
}

void Connection::repeat(unsigned attempt) {
  ++resent_;
  if (attempt >= kMostAttempts) {
    state_ = State::kGaveUp;
    return;
  }
  world_.send_to_gateway(last_);
  await(attempt);
}

void Connection::take_answer(const std::vector<uint8_t>& payload) {
  const auto answer = read_message(payload);
  if (!answer || answer->connection != number_) world_.violate(name() + " got what is for another one");
  if (answer->round != round_) return;  // one that came twice
  if (backend_ && *backend_ != answer->backend && !is_disturbed_) {
    world_.violate(name() + " was with backend " + std::to_string(*backend_) + ", and is with " +
                   std::to_string(answer->backend));
  }
  if (!backend_) world_.note_backend(*this, answer->backend);
  backend_ = answer->backend;
  is_waiting_ = false;
  ++round_;
  ask_later();
}

void Connection::ask_later() {
  // Below the idle timeouts, most of them at once.
  Nanoseconds pause = chance_.happens(700) ? chance_.below(5 * kMillisecondNs) : chance_.below(3 * kSecondNs);
  if (service_.protocol == IpProtocol::kTcp && !has_paused_long_ && chance_.happens(50)) {
    has_paused_long_ = true;
    pause = chance_.between(11, 16) * kSecondNs;
  }
  world_.after(pause, [this] { round_ < rounds_ ? ask() : finish(); });
}

void Connection::finish() {
  if (state_ != State::kOpen) return;
  const unsigned how = static_cast<unsigned>(chance_.below(10));
  if (service_.protocol == IpProtocol::kUdp) {
    state_ = State::kDone;
  } else if (how < 8) {
    state_ = State::kFinSent;
    send(packet(tcp_flag::kFin | tcp_flag::kAck));
    ++sequence_;
  } else {
    state_ = State::kAborted;
    if (how == 8) world_.send_to_gateway(packet(tcp_flag::kRst | tcp_flag::kAck));
  }
}

void Connection::receive_tcp(const Packet& packet) {
  if ((packet.flags & tcp_flag::kRst) != 0) {
    const bool is_for_this = state_ == State::kSynSent || packet.sequence == expected_;
    if (!is_for_this) return;
    if (!is_disturbed_) world_.violate(name() + " was reset");
    state_ = State::kReset;
    return;
  }
  if (state_ == State::kSynSent) {
    const bool is_welcome =
        packet.flags == (tcp_flag::kSyn | tcp_flag::kAck) && packet.acknowledged == sequence_;
    if (!is_welcome) return;
    expected_ = packet.sequence + 1;
    state_ = State::kOpen;
    is_waiting_ = false;
    return ask();
  }
  if (packet.sequence != expected_) return;  // one that came twice
  if (!packet.payload.empty()) {
    expected_ += static_cast<uint32_t>(packet.payload.size());
    return take_answer(packet.payload);
  }
  if (state_ == State::kFinSent && (packet.flags & tcp_flag::kFin) != 0) {
    ++expected_;
    state_ = State::kDone;
    world_.send_to_gateway(this->packet(tcp_flag::kAck));
  }
}

void Connection::receive(const Packet& packet) {
  if (has_ended()) return;
  service_.protocol == IpProtocol::kTcp ? receive_tcp(packet) : take_answer(packet.payload);
}

}  // namespace sluice::sim
