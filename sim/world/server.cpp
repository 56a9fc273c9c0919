#include "sim/world/server.h"

namespace sluice::sim {
namespace {

constexpr uint32_t kMark = 0x51d1ce00;

void add(std::vector<uint8_t>& bytes, uint64_t value, unsigned count) {
  for (unsigned i = count; i-- > 0;) bytes.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

uint32_t take(const std::vector<uint8_t>& bytes, size_t at, unsigned count) {
  uint32_t value = 0;
  for (unsigned i = 0; i < count; ++i) value = value << 8 | bytes[at + i];
  return value;
}

}  // namespace

std::vector<uint8_t> write_message(const Message& message, size_t more) {
  std::vector<uint8_t> bytes;
  add(bytes, kMark, 4);
  add(bytes, message.connection, 4);
  add(bytes, message.round, 2);
  add(bytes, message.answer_bytes, 2);
  add(bytes, message.backend, 2);
  for (size_t i = 0; i < more; ++i) bytes.push_back(static_cast<uint8_t>(message.connection + i));
  return bytes;
}

std::optional<Message> read_message(const std::vector<uint8_t>& payload) {
  if (payload.size() < kMessageBytes || take(payload, 0, 4) != kMark) return std::nullopt;
  return Message{take(payload, 4, 4), static_cast<uint16_t>(take(payload, 8, 2)),
                 static_cast<uint16_t>(take(payload, 10, 2)), static_cast<uint16_t>(take(payload, 12, 2))};
}

Server::Key Server::key_of(const Packet& packet) {
  const FlowKey key{packet.source,
                    packet.destination,
                    Be16::from_host(packet.source_port),
                    Be16::from_host(packet.destination_port),
                    packet.protocol,
                    {}};
  Key bytes;
  std::memcpy(bytes.data(), &key, bytes.size());
  return bytes;
}

Packet Server::reply(const Packet& packet) const {
  Packet answer;
  answer.source = packet.destination;
  answer.destination = packet.source;
  answer.protocol = packet.protocol;
  answer.source_port = packet.destination_port;
  answer.destination_port = packet.source_port;
  return answer;
}

std::vector<uint8_t> Server::answer_to(const Message& request) const {
  Message answer = request;
  answer.backend = number_;
  return write_message(answer, request.answer_bytes);
}

/// RFC 5961, 4: a SYN ends nothing that goes on.
std::optional<Packet> Server::challenge(const Connection& connection, const Packet& syn) const {
  Packet answer = reply(syn);
  answer.sequence = connection.next;
  answer.acknowledged = connection.expected;
  answer.flags = tcp_flag::kAck;
  return answer;
}

std::optional<Packet> Server::begin(const Packet& syn) {
  Connection& connection = connections_[key_of(syn)];
  const bool is_repeat = connection.last.flags != 0 && connection.first == syn.sequence;
  if (is_repeat)
    return connection.last.flags == (tcp_flag::kSyn | tcp_flag::kAck) ? std::optional(connection.last)
                                                                      : std::nullopt;
  const bool goes_on = connection.last.flags != 0 && (connection.last.flags & tcp_flag::kFin) == 0;
  if (goes_on) return challenge(connection, syn);
  connection.first = syn.sequence;
  connection.expected = syn.sequence + 1;
  Packet answer = reply(syn);
  answer.sequence = static_cast<uint32_t>(chance_.next());
  answer.acknowledged = connection.expected;
  answer.flags = tcp_flag::kSyn | tcp_flag::kAck;
  connection.next = answer.sequence + 1;
  return connection.last = answer;
}

std::optional<Packet> Server::go_on(Connection& connection, const Packet& packet,
                                    std::optional<Message>& request) {
  const bool ends = (packet.flags & tcp_flag::kFin) != 0;
  if (packet.payload.empty() && !ends) return std::nullopt;  // it acknowledges
  if (packet.sequence != connection.expected) {
    const bool was_before = static_cast<int32_t>(packet.sequence - connection.expected) < 0;
    return was_before ? std::optional(connection.last) : std::nullopt;
  }
  connection.expected += static_cast<uint32_t>(packet.payload.size()) + (ends ? 1 : 0);
  Packet answer = reply(packet);
  answer.sequence = connection.next;
  answer.acknowledged = connection.expected;
  answer.flags = ends ? tcp_flag::kFin | tcp_flag::kAck : tcp_flag::kPush | tcp_flag::kAck;
  request = read_message(packet.payload);
  if (request) answer.payload = answer_to(*request);
  connection.next += static_cast<uint32_t>(answer.payload.size()) + (ends ? 1 : 0);
  return connection.last = answer;
}

std::optional<Packet> Server::receive(const Packet& packet, std::optional<Message>& request) {
  if (packet.protocol == IpProtocol::kUdp) {
    request = read_message(packet.payload);
    if (!request) return std::nullopt;
    Packet answer = reply(packet);
    answer.payload = answer_to(*request);
    return answer;
  }
  if ((packet.flags & tcp_flag::kRst) != 0) {
    const auto ended = connections_.find(key_of(packet));
    const bool is_meant = ended != connections_.end() && packet.sequence == ended->second.expected;
    if (is_meant) connections_.erase(ended);
    return std::nullopt;
  }
  if ((packet.flags & tcp_flag::kSyn) != 0) return begin(packet);
  const auto known = connections_.find(key_of(packet));
  if (known != connections_.end()) return go_on(known->second, packet, request);
  Packet answer = reply(packet);  // RFC 9293, 3.10.7.1
  answer.sequence = packet.acknowledged;
  answer.flags = tcp_flag::kRst;
  return answer;
}

}  // namespace sluice::sim
